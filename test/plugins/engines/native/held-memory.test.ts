import test from 'ava';
import { Deferral, type Memory } from '../../../../plugins/engines/native/deferred/deferral.js';

/** Data of 16 numbers, an operation that reads it, and a count of programs that ran; 63 bytes may be held. */
function deferred() {
  const values = new Float32Array(16);
  const ran: number[] = [];
  const memory: Memory = {
    valuesOf: () => values,
    tensorsOf: () => 1,
    make: ({ size }) => new Float32Array(size),
    giveBack: () => undefined,
    run: ({ outputs }) => ran.push(outputs.length),
  };
  const deferral = new Deferral(memory, 63);
  const x = deferral.nodeOf({ dataId: {}, shape: [16], dtype: 'float32' }, 16)!;
  const make = () => {
    const operation = { code: 1, operands: [{ node: x, view: undefined }], kernel: 'Neg', p: 0, q: 0 };
    return deferral.defer([16], 16, 'float32', operation).node;
  };
  return { deferral, values, ran, x, make };
}

test('operations that are disposed together with their operands, as at the end of a tidy, are not computed', (t) => {
  const { deferral, values, ran, x, make } = deferred();
  const y = make();
  t.true(deferral.disposed(x.dataId, values), 'its memory is kept for what reads it');
  t.false(deferral.disposed(y.dataId, undefined));
  t.deepEqual(ran, []);
});

test('pending operations that hold too much memory are computed before another is deferred', (t) => {
  const { deferral, values, ran, x, make } = deferred();
  const y = make();
  deferral.disposed(x.dataId, values);
  make();
  t.deepEqual(ran, [1]);
  t.is(y.values?.length, 16);
});
