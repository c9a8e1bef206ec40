import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkpointNames } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { Dataset, Engine, Ranks, tf } from '../../../core/index.js';
import { fullLoss } from '../../../plugins/index.js';
import type { Run } from '../../../core/run/run.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';

const settings = [
  'train.max_iters=12',
  'model={n_embd: 16, block_size: 16}',
  'plugins.evaluation={interval: 3, iters: 1, full: true}',
  'plugins.checkpoint.keep={last: 20, best: 3}',
];

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const run = await testRun({ cwd: folder, folder: path.join(folder, 'out'), set });
  t.teardown(() => run.dispose());
  return run;
}

/** Every checkpoint's loss is that of its weights, measured again; so are those that the best were chosen by. */
async function measuredAgain(t: ExecutionContext, run: Run, folder: string): Promise<(number | null | undefined)[]> {
  const [engine, ranks] = [run.container.resolve(Engine), run.container.resolve(Ranks)];
  const val = run.container.resolve(Dataset).split('val');
  const shape = { batchSize: run.config.train.batch_size, blockSize: run.model.blockSize };
  const checkpoints = path.join(folder, 'out/checkpoints');
  const losses = new Map<string, number | null | undefined>();
  let best: unknown;
  for (const name of (await checkpointNames(checkpoints)).reverse()) {
    const checkpoint = await readCheckpoint(path.join(checkpoints, name));
    const { valLoss } = checkpoint.state.run;
    losses.set(name, valLoss);
    best = checkpoint.state.plugins['checkpoint']?.state;
    if (typeof valLoss !== 'number') continue;
    run.loadWeights(checkpoint);
    t.is(await fullLoss(run.model, val, shape, { engine, ranks }), valLoss, name);
  }
  const kept = (best as { best: { name: string; value: number }[] }).best;
  const [first] = kept;
  t.truthy(first);
  for (const { name, value } of kept) t.is(losses.get(name), value, `best: ${name}`);
  t.is(readFileSync(path.join(checkpoints, 'best'), 'utf8').trim(), first?.name ?? '');
  return [...losses.values()];
}

async function trained(t: ExecutionContext, folder: string, set: readonly string[], listen: (run: Run) => void) {
  const { run } = await made(t, folder, ...settings, ...set);
  listen(run);
  await run.train();
  return run;
}

/** Makes the weights, and with them the loss, other ones. */
function scale(run: Run, by: number): void {
  for (const weight of run.model.parameters().values()) weight.assign(tf.tidy(() => tf.mul(weight, by)));
}

test('restored best weights have the loss of the best', async (t) => {
  const folder = emptyFolder(t);
  const run = await trained(t, folder, ['plugins.early-stopping={patience: 5, mode: max}'], () => undefined);
  const losses = await measuredAgain(t, run, folder);
  t.is(losses.length, 4);
  t.is(losses[3], losses[0], 'where higher is better, the first is the best');
  t.not(losses[2], losses[0]);
});

test('a model that changes between two evaluations at the same iteration has the loss of the second', async (t) => {
  const folder = emptyFolder(t);
  let evaluations = 0;
  const run = await trained(t, folder, [], (started) => {
    started.bus.listen({ plugin: 'test', event: 'evaluation:end', critical: true }, ({ iteration }) => {
      if (iteration !== 12 || evaluations++ > 0) return;
      scale(started, 1.5);
      started.control.requestEvaluation();
    });
  });
  t.is(evaluations, 2);
  await measuredAgain(t, run, folder);
});

test('a checkpoint without an evaluation, or saved by a stop before it, has no loss', async (t) => {
  const folder = emptyFolder(t);
  const run = await trained(t, folder, ['plugins.checkpoint.interval=2'], (started) => {
    started.bus.on('iteration:end', ({ iteration }) => {
      if (iteration === 8) started.control.requestStop('now');
    });
  });
  t.true(run.state.owesEvaluation);
  const losses = await measuredAgain(t, run, folder);
  t.true(losses.includes(null));
  t.is(losses.at(-1), null);
});

test('after a rollback the losses are those of the repeated iterations', async (t) => {
  const folder = emptyFolder(t);
  let asked = false;
  const run = await trained(t, folder, [], (started) => {
    started.bus.on('iteration:end', ({ iteration }) => {
      if (asked || iteration !== 7) return;
      asked = true;
      started.control.requestRollback({ to: 3, what: 'run', data: 'skip', reason: 'because' });
    });
  });
  await measuredAgain(t, run, folder);
});
