import test from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { debugRun, textFolder } from './debug-run.js';

const common = [
  'model.dropout=0.1',
  'plugins.evaluation={interval: 5, iters: 2}',
  'lr.decay_iters=12',
  'plugins.checkpoint={keep: {last: 5}}',
];

for (const strategy of ['random', 'sequential', 'epoch', '{strategy: curriculum, candidates: 20, round: 4}']) {
  test(`${strategy}: a run that stopped and went on has the weights of the run that did not`, async (t) => {
    const folder = textFolder(t);
    const set = [...common, `batches=${strategy}`];
    const whole = await debugRun(t, folder, ...set, 'run.dir=whole', 'train.max_iters=12');
    await whole.run.setUp();
    await whole.run.train();

    const first = await debugRun(t, folder, ...set, 'run.dir=parts', 'train.max_iters=7');
    await first.run.setUp();
    await first.run.train();
    const second = await debugRun(t, folder, ...set, 'run.dir=parts', 'train.max_iters=12', 'init=resume');
    await second.run.setUp();
    second.run.restore(await readCheckpoint(await findCheckpoint('parts', folder)));
    t.is(second.run.state.iteration, 7);
    await second.run.train();

    for (const [name, variable] of whole.run.model.parameters()) {
      t.deepEqual(second.run.model.parameters().get(name)?.dataSync(), variable.dataSync(), name);
    }
    t.deepEqual(second.run.snapshot().state.run, whole.run.snapshot().state.run);
  });
}
