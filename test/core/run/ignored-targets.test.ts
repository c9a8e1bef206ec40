import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { BatchSource, Engine, Logger, tf, useEngine, type Batch } from '../../../core/index.js';
import { checkBatch } from '../../../plugins/models/contract.js';
import type { Run } from '../../../core/run/run.js';
import { assertResumes, memoryRanks, testRun, type Fault, type TestRun } from '../../../plugins/testing/contract.js';
import { needing } from '../../needs.js';
import { availableEngines } from '../../plugins/ops/engines.js';
import { emptyFolder } from '../../e2e/command.js';
import { newest, stateOf } from '../../stored.js';
import { assertSame, masked, plainRun, stepsOf, WINDOWS, type Step } from './divisions.js';

const engines = [{ name: 'cpu', check: needing().serial }];
for (const { name, need } of await availableEngines()) engines.push({ name, check: needing(need).serial });
for (const { name: engine, check } of engines) {
  check(
    `engine ${engine}: 1 × 16, 4 × 4 and 4 ranks × 4 windows give the same gradient with random masks`,
    async (t) => {
      const whole = await stepsOf(t, { ranks: 1, microBatches: 1 }, engine);
      for (const division of [
        { ranks: 1, microBatches: 4 },
        { ranks: 4, microBatches: 1 },
        { ranks: 2, microBatches: 4 },
      ]) {
        const found = await stepsOf(t, division, engine);
        assertSame(t, found, whole, `${String(division.ranks)} ranks, ${String(division.microBatches)} micro-batches`);
      }
    },
  );
}

test.serial('the loss is the sum over counted targets, divided by their number, and so is its gradient', async (t) => {
  const found = await stepsOf(t, { ranks: 1, microBatches: 4 }, 'cpu');
  const run = await plainRun(t, { engine: 'cpu' });
  const drawn = await windowsOf(t);
  const expected = drawn.map(({ inputs, targets, batchSize, blockSize }): Step => {
    useEngine(run.container.resolve(Engine));
    const weights = [...run.model.parameters()];
    const counted = targets.filter((id) => id !== -1).length;
    const { value, grads } = tf.variableGrads(
      () => {
        const logits = run.model.logits(tf.tensor2d(inputs, [batchSize, blockSize], 'int32'));
        const chosen = tf.oneHot(tf.tensor2d(targets, [batchSize, blockSize], 'int32'), run.model.vocabSize);
        return tf.div(tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.cast(chosen, 'float32')))), counted);
      },
      weights.map(([, variable]) => variable),
    );
    const gradients = new Map(
      weights.map(([name, variable]) => [name, grads[variable.name]?.dataSync<'float32'>() ?? new Float32Array()]),
    );
    const gradNorm = Math.hypot(...[...gradients.values()].flatMap((values) => [...values]));
    return { loss: value.dataSync()[0] ?? NaN, gradNorm, targets: counted, gradients };
  });
  assertSame(t, found, expected, 'formula');
});

/** The masked windows of each iteration of `stepsOf`. */
async function windowsOf(t: ExecutionContext): Promise<Batch[]> {
  const batches: Batch[] = [];
  const run = await plainRun(t, { engine: 'cpu', train: { batch_size: WINDOWS } });
  run.bus.on('batch:ready', ({ iteration, batch }) => batches.push(masked(batch, iteration, 0)));
  await run.train();
  return batches;
}

const tiny = ['model={n_layer: 1, n_embd: 16, block_size: 8, dropout: 0.1}', 'train.gradient_accumulation_steps=2'];

/** Ignores every target in some iterations. */
function ignoring(run: Run, isEmpty: (iteration: number) => boolean): void {
  run.bus.listen({ plugin: 'test', event: 'batch:ready', critical: true }, ({ iteration, batch }) => {
    if (isEmpty(iteration)) batch.targets.fill(-1);
  });
}

test.serial(
  'an iteration without counted targets has no step but counts, and resuming after it gives the same bits',
  async (t) => {
    const folder = emptyFolder(t);
    const said: string[] = [];
    const ends: { loss: number; targets: number; skipped: string | undefined }[] = [];
    const watch: Fault = ({ run }) => {
      ignoring(run, (iteration) => iteration === 2 || iteration === 3);
      run.container.resolve(Logger).addSink((_level, line) => said.push(line));
      run.bus.on('iteration:end', ({ loss, targets, skipped }) => ends.push({ loss, targets, skipped }));
      let before: unknown;
      run.bus.on('iteration:start', () => (before = weightsOf(run)));
      run.bus.on('iteration:end', ({ targets }) => {
        t.is(isDeepStrictEqual(weightsOf(run), before), targets === 0);
      });
    };
    const plugins = ['run-log', ['training-metrics', { interval: 1 }]] as const;
    const set = [...tiny, 'lr.decay_iters=6', 'train.batch_size=4'];
    await assertResumes({ folder, plugins, set, faults: [watch] }, [{ event: 'micro-batch:end', at: 3 }]);
    t.deepEqual(
      ends.slice(0, 6).map(({ targets, skipped }) => [targets > 0, skipped]),
      [0, 1, 2, 3, 4, 5].map((at) =>
        at === 2 || at === 3 ? [false, 'every target is -1 (ignored) or has weight 0'] : [true, undefined],
      ),
    );
    t.true(Number.isNaN(ends[2]?.loss));
    t.is(
      said.find((line) => line.includes('ignored')),
      "iteration 3: every target is -1 (ignored) or has weight 0: there is no loss, and the optimizer's step is left out",
    );
    t.deepEqual(await stateOf(folder, 'parts'), await stateOf(folder, 'whole'));
    t.deepEqual(
      await readFile(path.join(await newest(folder, 'parts'), 'model.safetensors')),
      await readFile(path.join(await newest(folder, 'whole'), 'model.safetensors')),
    );
    const lines = (dir: string): string => readFileSync(path.join(folder, dir, 'metrics.jsonl'), 'utf8');
    t.is(lines('parts'), lines('whole'));
    const [, , third = ''] = lines('whole')
      .split('\n')
      .filter((line) => line.includes('"lr"'));
    t.false(/train\/loss|grad_norm/.test(third), third);
  },
);

function weightsOf(run: Run): Record<string, number[]> {
  return Object.fromEntries([...run.model.parameters()].map(([name, variable]) => [name, [...variable.dataSync()]]));
}

test.serial('val/loss is the sum over all counted targets, divided by their number, also over ranks', async (t) => {
  const evaluated = async (ranks: number): Promise<number[]> =>
    Promise.all(
      memoryRanks(ranks).map(async (plugin) => {
        const config = { train: { batch_size: 6 / ranks }, plugins: { evaluation: { iters: 4 } } };
        const { run } = await testRun({ iterations: 1, plugins: [plugin], set: tiny, config });
        t.teardown(() => run.dispose());
        maskEvaluations(run);
        const all = [0, 1, 2, 3].map((index) =>
          run.container.resolve(BatchSource).evaluation('val', index, { batchSize: 6, blockSize: 8 }),
        );
        let found = NaN;
        run.bus.listen({ plugin: 'test', event: 'evaluation:end', critical: true }, ({ losses }) => {
          let [sum, count] = [0, 0];
          for (const { inputs, targets } of all) {
            useEngine(run.container.resolve(Engine));
            const counted = targets.filter((id) => id !== -1).length;
            const of = (ids: Int32Array): tf.Tensor2D => tf.tensor2d(ids, [6, 8], 'int32');
            if (counted > 0)
              sum += counted * (tf.tidy(() => run.model.loss(of(inputs), of(targets)).dataSync()[0]) ?? NaN);
            count += counted;
          }
          t.true(Math.abs(losses.val - sum / count) < 1e-5, `${String(losses.val)}, not ${String(sum / count)}`);
          found = losses.val;
        });
        await run.train();
        return found;
      }),
    );
  const [one = NaN] = await evaluated(1);
  for (const loss of await evaluated(3)) t.true(Math.abs(loss - one) < 1e-4, `${String(loss)}, not ${String(one)}`);
});

function maskEvaluations(run: Run): void {
  const source = run.container.resolve(BatchSource);
  const evaluation = source.evaluation.bind(source);
  source.evaluation = (split, index, shape, rows) =>
    masked(evaluation(split, index, shape, rows), index, rows?.first ?? 0);
}

test.serial('an evaluation without any target says so', async (t) => {
  await using made = await testRun({ iterations: 1, set: tiny });
  const { run } = made;
  const source = run.container.resolve(BatchSource);
  const evaluation = source.evaluation.bind(source);
  source.evaluation = (...args) => {
    const batch = evaluation(...args);
    return { ...batch, targets: batch.targets.fill(-1) };
  };
  await t.throwsAsync(run.train(), { message: /train loss \(\d+ batches\) cannot be measured: every target is -1/ });
});

/** The guide's model, with another loss over logits [windows · time, vocab] and one-hot targets (zeros for -1). */
async function withLoss(t: ExecutionContext, loss: string | undefined): Promise<TestRun> {
  const folder = emptyFolder(t);
  const [, guide = ''] = /```ts\n(\/\/ bigram\.ts\n[^]*?)```/.exec(readFileSync('docs/plugins/model.md', 'utf8')) ?? [];
  const own = `const logs = tf.reshape(tf.logSoftmax(this.logits(ids)), [-1, this.vocabSize]);
    const flat = tf.reshape(targets, [-1]), hot = tf.cast(tf.oneHot(flat, this.vocabSize), 'float32');
    const sum = tf.neg(tf.sum(tf.mul(logs, hot))), count = tf.sum(hot);
    return ${loss ?? ''};`;
  const file =
    loss === undefined ? guide : guide.replace('return softmaxCrossEntropy(this.logits(ids), targets);', own);
  writeFileSync(path.join(folder, 'bigram.ts'), file);
  const run = await testRun({
    cwd: folder,
    iterations: 4,
    config: { train: { batch_size: 4, gradient_accumulation_steps: 2 }, plugins: { evaluation: false } },
    set: ['model={use: ./bigram.ts, block_size: 8}'],
  });
  t.teardown(() => run.dispose());
  return run;
}

for (const [what, loss, isRight] of [
  ['the guide’s', undefined, true],
  ['a mean over counted targets that is NaN without any', 'tf.div(sum, count)', true],
  ['one with a term of its own', 'tf.add(tf.div(sum, count), tf.mul(1e-3, tf.mean(tf.square(logs))))', true],
  ['a mean over all positions', 'tf.div(sum, flat.size)', false],
  ['a sum', 'sum', false],
  [
    'one that takes -1 for the first token',
    "tf.neg(tf.mean(tf.sum(tf.mul(logs, tf.cast(tf.oneHot(tf.maximum(flat, tf.scalar(0, 'int32')), this.vocabSize), 'float32')), 1)))",
    false,
  ],
] as const) {
  test.serial(
    `a model’s own loss, ${what}, ${isRight ? 'is accepted' : 'is reported'} if targets are ignored`,
    async (t) => {
      const { run, log } = await withLoss(t, loss);
      const losses: number[] = [];
      run.bus.listen({ plugin: 'test', event: 'batch:ready', critical: true }, ({ microBatch, batch }) => {
        // One micro-batch without any, and one with some.
        if (microBatch === 0) batch.targets.fill(-1);
        else batch.targets.fill(-1, 3, 17);
      });
      run.bus.on('iteration:end', (end) => losses.push(end.loss));
      await run.train();
      const warnings = log.flatMap(({ level, line }) => (level === 'warn' ? [line] : []));
      t.true(losses.every(Number.isFinite), String(losses));
      t.deepEqual(
        warnings.map((line) => /model plugin bigram is not the mean over the others/.test(line)),
        isRight ? [] : [true],
      );
    },
  );
}

test('a target outside the vocabulary other than -1 is refused', (t) => {
  const batch = { inputs: new Int32Array(4), targets: Int32Array.of(0, -1, -2, 1), batchSize: 2, blockSize: 2 };
  const refused = { code: 'ESP_BATCH', message: /targets have the id -2 at row 1, position 0; ids are from -1 to 4/ };
  t.throws(() => checkBatch(batch, { blockSize: 2, vocabSize: 5 }, () => 'it'), refused);
});
