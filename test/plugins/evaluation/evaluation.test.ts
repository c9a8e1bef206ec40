import test, { type ExecutionContext } from 'ava';
import {
  Dataset,
  Engine,
  RandomStreams,
  tf,
  type EvaluationEnd,
  type Metrics,
  type Model,
} from '../../../core/index.js';
import type { Run } from '../../../core/run/run.js';
import { useEngine } from '../../../core/tf.js';
import { testRun, type TestRun, type TestRunOptions } from '../../../plugins/testing/contract.js';

const model = { n_embd: 8, block_size: 16, dropout: 0.2 };
const text = 'the quick brown fox jumps over the lazy dog. '.repeat(52);

/** Mean of -log p(target) over all windows side by side, from logits, one number at a time. */
function meanCrossEntropy(run: Run, split: 'train' | 'val'): number {
  const tokens = run.container.resolve(Dataset).split(split);
  const block = run.model.blockSize;
  const all = new Int32Array(tokens.length);
  tokens.read(0, tokens.length, all, 0);
  let sum = 0;
  let count = 0;
  for (let at = 0; at + block < tokens.length; at += block) {
    const logits = logitsOf(run.model, [...all.subarray(at, at + block)]);
    for (let position = 0; position < block; position++) {
      const row = logits.slice(position * run.model.vocabSize, (position + 1) * run.model.vocabSize);
      const total = row.reduce((exps, logit) => exps + Math.exp(logit), 0);
      sum += Math.log(total) - (row[all[at + position + 1] ?? -1] ?? NaN);
      count++;
    }
  }
  return sum / count;
}

function logitsOf(of: Model, window: number[]): number[] {
  return tf.tidy(() => [...of.logits(tf.tensor2d(window, [1, window.length], 'int32')).dataSync()]);
}

async function made(t: ExecutionContext, options: TestRunOptions): Promise<TestRun> {
  const run = await testRun({ ...options, text, config: { model, train: { batch_size: 4 } } });
  t.teardown(() => run.dispose());
  return run;
}

async function evaluated(
  t: ExecutionContext,
  ...set: string[]
): Promise<{ run: Run; losses: EvaluationEnd['losses'] }> {
  const { run } = await made(t, { set });
  const losses = await evaluateNow(run);
  return { run, losses };
}

async function evaluateNow(run: Run): Promise<EvaluationEnd['losses']> {
  useEngine(run.container.resolve(Engine));
  const seen: EvaluationEnd['losses'][] = [];
  const remove = run.bus.on('evaluation:end', (end) => seen.push(end.losses));
  await run.bus.dispatch('evaluation:due', { iteration: run.state.iteration });
  remove();
  const [losses] = seen;
  if (losses === undefined || seen.length > 1) throw new Error(`${seen.length} evaluations instead of one`);
  return losses;
}

// 28 windows: neither size divides them.
for (const batch of [5, 64]) {
  test(`full: the mean cross-entropy of every window of the validation data, in batches of ${batch}`, async (t) => {
    const { run, losses } = await evaluated(
      t,
      'plugins.evaluation={full: true, iters: 1}',
      `train.batch_size=${batch}`,
    );
    const expected = meanCrossEntropy(run, 'val');
    t.true(Math.abs(losses.val - expected) < 1e-5, `${losses.val}, not ${expected}`);
    t.not(losses.val.toFixed(4), losses.train.toFixed(4));
  });
}

test('an estimate over many batches is close to the mean over all windows', async (t) => {
  const { run, losses } = await evaluated(t, 'plugins.evaluation={iters: 60}');
  // Weights as they start say the same of everything: make them disagree.
  for (const variable of run.model.parameters().values()) variable.assign(tf.mul(variable, 4));
  const after = await evaluateNow(run);
  for (const split of ['train', 'val'] as const) {
    t.true(Math.abs(after[split] - meanCrossEntropy(run, split)) < 0.1, `${split}: ${after[split]}`);
    t.true(Math.abs(after[split] - losses[split]) > 0.2, 'it measures the current weights');
  }
});

test('dropout is off: the loss is the same each time, and the same as without dropout', async (t) => {
  const first = await evaluated(t);
  t.deepEqual(await evaluateNow(first.run), first.losses);
  const without = await evaluated(t, 'model.dropout=0');
  t.deepEqual(without.losses, first.losses);
});

test('evaluation does not affect training: random streams and losses are those of a run without it', async (t) => {
  const train = async (
    evaluation: string,
  ): Promise<{ losses: number[]; random: Record<string, number>; times: number }> => {
    const { run } = await made(t, { set: [`plugins.evaluation=${evaluation}`] });
    const losses: number[] = [];
    let times = 0;
    run.bus.on('iteration:end', ({ loss }) => losses.push(loss));
    run.bus.on('evaluation:end', () => times++);
    await run.train();
    return { losses, random: run.container.resolve(RandomStreams).state(), times };
  };
  const often = await train('{interval: 1, iters: 3, at_start: true}');
  const never = await train('false');
  t.is(often.times, 7);
  t.is(never.times, 0);
  t.deepEqual(often.losses, never.losses);
  t.deepEqual(often.random, never.random);
});

test('it evaluates at every interval and at the end, and publishes the losses before evaluation:end', async (t) => {
  const { run } = await made(t, { iterations: 7 });
  const seen: string[] = [];
  run.bus.on('evaluation:start', ({ iteration }) => seen.push(`start ${iteration}`));
  run.bus.on('metrics', ({ iteration, values }: Metrics) =>
    seen.push(`metrics ${iteration} ${Object.keys(values).join()}`),
  );
  run.bus.on('evaluation:end', ({ iteration }) => seen.push(`end ${iteration}`));
  await run.train();
  const expected = [3, 6, 7].flatMap((at) => [`start ${at}`, `metrics ${at} eval/train_loss,val/loss`, `end ${at}`]);
  t.deepEqual(seen, expected);
});
