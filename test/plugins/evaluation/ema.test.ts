import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { BatchSource, Engine, type LoadedCheckpoint, type StoredTensor } from '../../../core/index.js';
import { estimateLoss } from '../../../plugins/index.js';
import type { Run } from '../../../core/run/run.js';
import {
  assertResumes,
  testRun,
  type Fault,
  type TestRun,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { newest, stateOf } from '../../stored.js';

const tiny: TestRunOptions = {
  iterations: 8,
  config: {
    model: { n_embd: 8 },
    optimizer: { learning_rate: 0.05 },
    plugins: { evaluation: { interval: 4, iters: 2 }, checkpoint: { interval: 0 } },
  },
};

/** Every weight after each iteration. */
function watchWeights(run: Run): Map<string, number[]>[] {
  const seen: Map<string, number[]>[] = [];
  run.bus.on('iteration:end', () => {
    seen.push(new Map([...run.model.parameters()].map(([name, weight]) => [name, [...weight.dataSync()]])));
  });
  return seen;
}

function watchLosses(run: Run): Record<string, number>[] {
  const seen: Record<string, number>[] = [];
  run.bus.on('metrics', ({ values }) => {
    if (values['val/loss'] !== undefined || values['ema/val_loss'] !== undefined) seen.push({ ...values });
  });
  return seen;
}

async function trained(t: ExecutionContext, ...set: string[]): Promise<TestRun> {
  const run = await testRun({ ...tiny, set });
  t.teardown(() => run.dispose());
  return run;
}

function keptOf({ plugins }: LoadedCheckpoint): ReadonlyMap<string, StoredTensor> {
  return plugins.get('ema') ?? new Map<string, StoredTensor>();
}

test('the averages follow the plain formula, for any decay, interval and start', async (t) => {
  const decay = fc.double({ min: 0.01, max: 0.9999, noNaN: true });
  const interval = fc.integer({ min: 1, max: 4 });
  const start = fc.integer({ min: 0, max: 7 });
  await fc.assert(
    fc.asyncProperty(decay, interval, start, async (decay, interval, start) => {
      const made = await trained(t, `plugins.ema={decay: ${decay}, interval: ${interval}, start: ${start}}`);
      const weights = watchWeights(made.run);
      await made.train();
      await made.dispose();
      const averages = keptOf(await made.checkpoints.read());
      const used = weights.filter((_, i) => i >= start && (i + 1 - start) % interval === 0);
      t.is(averages.size, used.length === 0 ? 0 : weights[0]!.size);
      for (const [name, { values }] of averages) {
        let expected: number[] | undefined;
        for (const [n, all] of used.entries()) {
          const kept = Math.min(decay ** interval, (1 + n) / (10 + n));
          const now = all.get(name) ?? [];
          expected = expected?.map((before, i) => kept * before + (1 - kept) * (now[i] ?? NaN)) ?? now;
        }
        for (const [i, value] of values.entries()) t.true(Math.abs(value - (expected?.[i] ?? NaN)) < 1e-5);
      }
    }),
    { numRuns: 6 },
  );
});

test('its loss is that of a model with the averages, and training is not affected', async (t) => {
  const made = await trained(t, 'plugins.ema={}');
  const { run } = made;
  const [weights, losses] = [watchWeights(run), watchLosses(run)];
  await run.train();
  t.deepEqual(Object.keys(losses.at(-1) ?? {}), ['ema/val_loss']);

  const checkpoint = await made.checkpoints.read();
  const averages = keptOf(checkpoint);
  for (const [name, weight] of run.model.parameters()) t.deepEqual([...weight.dataSync()], weights.at(-1)?.get(name));
  run.loadWeights({ path: checkpoint.path, weights: averages });
  const shape = { batchSize: 2, blockSize: 8 };
  const engine = run.container.resolve(Engine);
  const loss = await estimateLoss(run.model, run.container.resolve(BatchSource), 'val', 2, shape, { engine });
  t.is(losses.at(-1)?.['ema/val_loss'], loss);
  await run.dispose();

  const without = await trained(t);
  const plain = watchWeights(without.run);
  await without.train();
  t.deepEqual(plain, weights);
});

test('a resumed run has the same averages and losses as an uninterrupted one', async (t) => {
  const folder = emptyFolder(t);
  const stops = [
    { event: 'iteration:end', at: 3 },
    { event: 'evaluation:end', at: 4 },
    { event: 'iteration:end', at: 7 },
  ] as const;
  const losses: Record<string, number>[][] = [];
  const watch: Fault = ({ run }) => {
    losses.push(watchLosses(run));
  };
  await assertResumes({ ...tiny, folder, set: ['plugins.ema={interval: 2, decay: 0.9}'], faults: [watch] }, stops);
  const [whole, ...parts] = losses;
  t.deepEqual(parts.flat(), whole);
  t.deepEqual(await stateOf(folder, 'parts'), await stateOf(folder, 'whole'));
  const averages = async (dir: string): Promise<unknown> =>
    (await readCheckpoint(await newest(folder, dir))).plugins.get('ema');
  t.deepEqual(await averages('parts'), await averages('whole'));
});

test('the averages restart when the model grows', async (t) => {
  const growth = '{name: widen_mlp, value: 48, trigger_loss: 100, max_wait_iters: 0, reevaluate: false}';
  const run = await trained(t, 'plugins.ema={}', `plugins.scaling-schedule={operations: [${growth}]}`);
  const weights = watchWeights(run.run);
  await run.train();
  await run.dispose();
  const { plugins, state } = await run.checkpoints.read('000008');
  const kept = plugins.get('ema')?.get('transformer.h.0.mlp.c_fc.weight');
  t.is(kept?.values.length, weights.at(-1)?.get('transformer.h.0.mlp.c_fc.weight')?.length);
  t.deepEqual(state.plugins['ema']?.state, { updates: 4 });
});
