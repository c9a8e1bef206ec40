import test, { type ExecutionContext } from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { Logger, Optimizer, type StoredTensor } from '../../../core/index.js';
import { debugRun } from './debug-run.js';
import { textFolder } from '../../text.js';
import { runWithOwn } from './own-plugin.js';

/** In front of the optimizer: steps matrices, then the rest. */
const inGroups = `static register(bindings) { bindings.wrap(espalier.Optimizer, Mine); }
  constructor(@inject(espalier.Wrapped) inner) { this.inner = inner; }
  get learningRate() { return this.inner.learningRate; }
  step(step) {
    for (const isMatrix of [true, false]) {
      const parameters = new Map([...step.parameters].filter(([, weight]) => (weight.rank > 1) === isMatrix));
      this.inner.step({ ...step, parameters });
    }
    return step.gradNorm;
  }
  exportState() { return this.inner.exportState(); }
  importState(...state) { this.inner.importState(...state); }
  carry(carries) { this.inner.carry(carries); }`;

async function lossesOf(t: ExecutionContext, body: string): Promise<number[]> {
  const set = ['train.max_iters=5', 'lr.warmup_iters=0', 'plugins.evaluation=false'];
  const { run } = await runWithOwn(t, { body, set });
  const losses: number[] = [];
  run.bus.on('iteration:end', ({ loss }) => losses.push(loss));
  await run.setUp();
  await run.train();
  return losses;
}

test('groups of weights that an optimizer of one’s own steps separately train as together', async (t) => {
  const together = await lossesOf(t, '');
  t.deepEqual(await lossesOf(t, inGroups), together);
  t.is(new Set(together).size, 5);
});

test('a weight that the optimizer knows nothing of starts fresh, and is named: a gone one of its shape gives it nothing', async (t) => {
  const folder = textFolder(t);
  const { run: first } = await debugRun(t, folder, 'run.dir=run', 'train.max_iters=3');
  await first.setUp();
  await first.train();
  const checkpoint = await readCheckpoint(await findCheckpoint('run', folder));
  const name = 'transformer.h.0.mlp.c_fc.weight';
  const renamed = (tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> =>
    new Map([...tensors].map(([key, tensor]) => [key.replace(name, 'gone.weight'), tensor]));

  const { run } = await debugRun(t, folder, 'run.dir=next', 'train.max_iters=5');
  await run.setUp();
  const said: string[] = [];
  run.container.resolve(Logger).addSink((level, line) => said.push(`${level}: ${line}`));
  const { tensors, scalars } = checkpoint.optimizer;
  run.restore({ ...checkpoint, optimizer: { tensors: renamed(tensors), scalars } });
  const all = run.model.parameters().size;
  t.is(
    said.find((line) => line.includes('optimizer state')),
    `warn: optimizer state transferred ${String(all - 1)} / ${String(all)}; checkpoint ${checkpoint.path} has none that fits these, which start fresh: ${name}`,
  );
  const state = run.container.resolve(Optimizer).exportState();
  t.is(state.tensors.size, 2 * (all - 1));
  t.false([...state.tensors.keys()].some((key) => key.startsWith(name)));
  await run.train();
  t.deepEqual(run.snapshot().optimizer.scalars, { step: 5, [`${name}.step`]: 2 });
});
