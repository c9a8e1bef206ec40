import test, { type ExecutionContext } from 'ava';
import { differences } from '../../../plugins/checkpoint/resume/differences.js';
import { BatchSource, RandomStreams } from '../../../core/index.js';
import type { Run } from '../../../core/run/run.js';
import { memoryRanks, testRun, type MemoryCheckpoints } from '../../../plugins/testing/contract.js';
import { assertClose } from '../../plugins/ops/compare.js';

/** A tiny model with everything that divides over ranks: dropout, accumulation, and evaluations. */
const common = [
  'model={n_layer: 1, n_embd: 16, block_size: 16, dropout: 0.2}',
  'train.gradient_accumulation_steps=2',
  'train.max_iters=4',
  'plugins.evaluation={interval: 2, iters: 2}',
];

/** What a run publishes in training. */
interface Told {
  readonly losses: number[];
  readonly validation: number[];
  readonly tokens: number[];
}

interface Joined {
  readonly run: Run;
  readonly checkpoints: MemoryCheckpoints;
  readonly told: Told;
}

async function joined(t: ExecutionContext, size: number, ...set: string[]): Promise<Joined[]> {
  return Promise.all(
    memoryRanks(size).map(async (rank) => {
      const { run, checkpoints } = await testRun({ plugins: [rank], set: [...common, ...set] });
      t.teardown(() => run.dispose());
      return { run, checkpoints, told: listen(run) };
    }),
  );
}

function listen(run: Run): Told {
  const told: Told = { losses: [], validation: [], tokens: [] };
  run.bus.on('iteration:end', ({ loss, tokens }) => {
    told.losses.push(loss);
    told.tokens.push(tokens);
  });
  run.bus.on('evaluation:end', ({ losses }) => told.validation.push(losses.train, losses.val));
  return told;
}

async function trained(runs: readonly Joined[]): Promise<void> {
  await Promise.all(runs.map(({ run }) => run.train()));
}

function assertSame(t: ExecutionContext, ranks: readonly Joined[], one: Joined | undefined): void {
  if (one === undefined) throw new Error('there is no run to compare with');
  for (const { run, told } of ranks) {
    t.deepEqual(told, ranks[0]?.told, 'all ranks tell the same');
    t.deepEqual(told.tokens, one.told.tokens);
    assertClose(Float32Array.from(told.losses), Float32Array.from(one.told.losses), 'losses');
    assertClose(Float32Array.from(told.validation), Float32Array.from(one.told.validation), 'validation losses');
    for (const [name, variable] of one.run.model.parameters()) {
      const found = run.model.parameters().get(name)?.dataSync<'float32'>();
      assertClose(found, variable.dataSync<'float32'>(), name);
    }
  }
}

for (const strategy of ['random', '{strategy: curriculum, candidates: 20, round: 4}']) {
  test.serial(`${strategy}: three ranks of two windows train like one rank of six`, async (t) => {
    const ranks = await joined(t, 3, `batches=${strategy}`, 'train.batch_size=2');
    const one = await joined(t, 1, `batches=${strategy}`, 'train.batch_size=6');
    await trained(ranks);
    await trained(one);
    t.is(ranks[0]?.told.tokens.at(-1), 4 * 2 * 6 * 16);
    assertSame(t, ranks, one[0]);
  });
}

for (const strategy of [
  'random',
  'sequential',
  'epoch',
  '{strategy: mixture, weights: {text: 1}}',
  '{strategy: curriculum, candidates: 20, round: 5}',
]) {
  test.serial(`${strategy}: 8 windows train like 2 × 4`, async (t) => {
    const set = [`batches=${strategy}`, 'model.dropout=0', 'plugins.evaluation.iters=1'];
    const divided = await joined(t, 1, ...set, 'train.batch_size=4');
    const whole = await joined(t, 1, ...set, 'train={batch_size: 8, gradient_accumulation_steps: 1}');
    await trained(divided);
    await trained(whole);
    const [parts, one] = [divided[0]?.told, whole[0]?.told];
    t.deepEqual(parts?.tokens, one?.tokens);
    assertClose(Float32Array.from(parts?.losses ?? []), Float32Array.from(one?.losses ?? []), 'losses');
  });
}

test.serial('full evaluation: the windows of the validation data are divided over ranks, even unevenly', async (t) => {
  const set = ['plugins.evaluation.full=true', 'train.max_iters=2'];
  const ranks = await joined(t, 3, 'train.batch_size=1', ...set);
  const one = await joined(t, 1, 'train.batch_size=3', ...set);
  await trained(ranks);
  await trained(one);
  assertSame(t, ranks, one[0]);
});

test.serial('a run of four ranks resumes on two like one rank would, and logs the change', async (t) => {
  const keep = 'plugins.checkpoint={keep: {last: 5}}';
  const four = await joined(t, 4, 'train.batch_size=1', keep);
  await trained(four);
  const checkpoint = await four[0]?.checkpoints.read();
  if (checkpoint === undefined) return t.fail();
  t.is(checkpoint.state.ranks, 4);
  for (const { run } of four) {
    t.deepEqual(run.container.resolve(BatchSource).state(), four[0]?.run.container.resolve(BatchSource).state());
    t.deepEqual(run.container.resolve(RandomStreams).state(), checkpoint.state.random);
  }

  const longer = ['train.max_iters=8', keep];
  const two = await joined(t, 2, 'train.batch_size=2', ...longer);
  const one = await joined(t, 1, 'train.batch_size=4', ...longer);
  const said: string[] = [];
  for (const { run } of [...two, ...one]) {
    run.restore(checkpoint);
    said.push(...differences(run, checkpoint));
  }
  await trained(two);
  await trained(one);
  assertSame(t, two, one[0]);
  const as = 'an iteration trains on 8 windows as before, and the data continues from the same position';
  t.is(said.filter((line) => line === `the checkpoint was saved on 4 ranks, this run has 2 ranks: ${as}`).length, 2);
  t.is(said.filter((line) => line === `the checkpoint was saved on 4 ranks, this run has one rank: ${as}`).length, 1);

  const [smaller] = await joined(t, 2, 'train.batch_size=1', ...longer);
  if (smaller !== undefined) said.push(...differences(smaller.run, checkpoint));
  t.is(
    said.at(-1),
    'the checkpoint was saved on 4 ranks, this run has 2 ranks: an iteration trains on 4 windows instead of 8; train.gradient_accumulation_steps=4 keeps them. The data continues from the same position',
  );
});
