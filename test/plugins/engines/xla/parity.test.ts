import { openDevice } from '../../../../plugins/engines/xla/device.js';
import { checkParity, hasParity } from '../../../../plugins/engines/xla/parity.js';
import { emptyFolder } from '../../../e2e/command.js';
import { engineNeed, needing } from '../../../needs.js';

needing(await engineNeed('xla')).serial(
  'a device that computes what engine cpu does has parity from then on',
  async (t) => {
    const before = process.env['ESPALIER_CACHE'];
    process.env['ESPALIER_CACHE'] = emptyFolder(t);
    try {
      t.false(hasParity(openDevice()));
      t.is(await checkParity(), '4 steps of a small model have the losses of the engine cpu, in f32 and in bf16');
      t.true(hasParity(openDevice()));
    } finally {
      if (before === undefined) delete process.env['ESPALIER_CACHE'];
      else process.env['ESPALIER_CACHE'] = before;
    }
  },
);
