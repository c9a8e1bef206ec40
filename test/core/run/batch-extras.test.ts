import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {
  BatchSource,
  Engine,
  inject,
  injectable,
  Plugin,
  RandomStreams,
  tf,
  useEngine,
  Wrapped,
  type Batch,
  type BatchShape,
  type Bindings,
  type MicroBatchEnd,
} from '../../../core/index.js';
import { type LossTerm, LossTerms, type TermPass } from '../../../plugins/losses/contract.js';
import { checkBatch, countedTargets } from '../../../plugins/models/contract.js';
import { buildVocabMap, rankTokens } from '../../../plugins/data/shared/vocab-map.js';
import { tokenCrossEntropy } from '../../../plugins/index.js';
import { memoryRanks, testRun } from '../../../plugins/testing/contract.js';
import { availableEngines } from '../../plugins/ops/engines.js';
import { needing } from '../../needs.js';
import { text, textFolder } from '../../text.js';
import { assertSame, masked, plainRun, stepsOf, type Change, type Step } from './divisions.js';

/** Random weights, all 0 in some windows, on top of random masks. */
const weighted: Change = (batch, iteration, firstWindow) => {
  const weights = new Float32Array(batch.targets.length);
  for (let row = 0; row < batch.batchSize; row++) {
    const random = new RandomStreams(8).at('weights', iteration, firstWindow + row);
    const scale = [0, 1, 4][random.below(3)] ?? 0;
    for (let at = 0; at < batch.blockSize; at++) weights[row * batch.blockSize + at] = scale * random.float();
  }
  return { ...masked(batch, iteration, firstWindow), weights };
};

for (const { name: engine, need } of await availableEngines()) {
  if (engine === 'tensorflow') continue;
  needing(need).serial(
    `engine ${engine}: 16 windows with random weights give the same gradient however they are divided`,
    async (t) => {
      const whole = await stepsOf(t, { ranks: 1, microBatches: 1 }, engine, weighted);
      for (const division of [
        { ranks: 1, microBatches: 4 },
        { ranks: 4, microBatches: 1 },
        { ranks: 2, microBatches: 4 },
      ]) {
        const found = await stepsOf(t, division, engine, weighted);
        assertSame(t, found, whole, `${String(division.ranks)} ranks, ${String(division.microBatches)} micro-batches`);
      }
    },
  );
}

test.serial('the loss is the sum of weighted cross-entropies, divided by the sum of the weights', async (t) => {
  const batches: Batch[] = [];
  const kept: Change = (...args) => {
    const batch = weighted(...args);
    batches.push(batch);
    return batch;
  };
  const found = await stepsOf(t, { ranks: 1, microBatches: 1 }, 'cpu', kept);
  const run = await plainRun(t, { engine: 'cpu' });
  const expected = batches.map(({ inputs, targets, weights = new Float32Array(), batchSize, blockSize }): Step => {
    useEngine(run.container.resolve(Engine));
    const parameters = [...run.model.parameters()];
    const shares = weights.map((weight, at) => (targets[at] === -1 ? 0 : weight));
    const all = shares.reduce((sum, share) => sum + share, 0);
    const { value, grads } = tf.variableGrads(
      () => {
        const logs = tf.logSoftmax(run.model.logits(tf.tensor2d(inputs, [batchSize, blockSize], 'int32')));
        const hot = tf.cast(
          tf.oneHot(tf.tensor2d(targets, [batchSize, blockSize], 'int32'), run.model.vocabSize),
          'float32',
        );
        const losses = tf.neg(tf.sum(tf.mul(logs, hot), -1));
        return tf.div(tf.sum(tf.mul(losses, tf.tensor2d(shares, [batchSize, blockSize]))), all);
      },
      parameters.map(([, variable]) => variable),
    );
    const gradients = new Map(
      parameters.map(([name, variable]) => [name, grads[variable.name]?.dataSync<'float32'>() ?? new Float32Array()]),
    );
    const gradNorm = Math.hypot(...[...gradients.values()].flatMap((values) => [...values]));
    return {
      loss: value.dataSync()[0] ?? NaN,
      gradNorm,
      targets: shares.filter((share) => share > 0).length,
      gradients,
    };
  });
  assertSame(t, found, expected, 'formula');
});

@injectable()
class WithField implements BatchSource {
  constructor(@inject(Wrapped) private readonly inner: BatchSource) {}

  /** Returns the whole batch, from which the core takes the rows. */
  async next(shape: BatchShape): Promise<Batch> {
    return withField(await this.inner.next(shape));
  }

  evaluation(...args: Parameters<BatchSource['evaluation']>): Batch {
    return withField(this.inner.evaluation(...args));
  }

  progress(): ReturnType<BatchSource['progress']> {
    return this.inner.progress();
  }

  state(): unknown {
    return this.inner.state();
  }

  restore(state: unknown): void {
    this.inner.restore(state);
  }
}

function withField(batch: Batch): Batch {
  const half = Float32Array.from(batch.targets, (id) => id + 0.5);
  return { ...batch, fields: { half, twice: batch.inputs.map((id) => 2 * id) } };
}

@Plugin({
  name: 'fields',
  summary: 'Adds fields to batches, and a term that reads them.',
  wraps: 'batches',
  metrics: { 'train/fields': { unit: '', what: 'mean of what the fields hold' } },
})
class Fields implements LossTerm {
  static register(bindings: Bindings): void {
    bindings.wrap(BatchSource, WithField);
    bindings.add(LossTerms, Fields);
  }

  readonly name = 'fields';
  readonly metric = 'train/fields';
  readonly weight = 1;

  compute(pass: TermPass): tf.Scalar {
    return pass.mean(tf.add(pass.field('half'), tf.cast(pass.field('twice'), 'float32')));
  }
}

const MAP = 'map.json';

for (const ranks of [1, 2]) {
  test.serial(
    `a batch field survives ${String(ranks)} ranks, prefetching, vocabulary remapping and recorded passes`,
    async (t) => {
      const folder = textFolder(t);
      const counts = [...new Set(text)].sort().map((character) => text.split(character).length - 1);
      const map = buildVocabMap(rankTokens(counts), 10, { data: 'text.txt', tokens: text.length, id: 'test' });
      writeFileSync(path.join(folder, MAP), JSON.stringify(map));
      const found: number[] = [];
      const expected: number[] = [];
      const sums = { mean: 0, count: 0 };
      const runs = await Promise.all(
        memoryRanks(ranks).map(async (plugin, rank) => {
          const { run } = await testRun({
            cwd: folder,
            iterations: 6,
            plugins: [plugin, ['vocab-remap', { file: MAP }], Fields],
            config: {
              data: { text: 'text.txt' },
              batches: { prefetch: 4 },
              train: { batch_size: 4 / ranks, gradient_accumulation_steps: 2 },
              plugins: { evaluation: false, checkpoint: false },
            },
          });
          t.teardown(() => run.dispose());
          run.on('batch:ready', ({ batch: { inputs, targets, fields } }) => {
            t.deepEqual(
              Object.values(fields ?? {}).map(({ length }) => length),
              [targets.length, targets.length],
            );
            for (const [at, id] of targets.entries()) {
              sums.mean += id + 0.5 + 2 * (inputs[at] ?? NaN);
              sums.count++;
            }
          });
          if (rank === 0)
            run.on('iteration:end', ({ terms, loss }) => {
              t.true(Number.isFinite(loss));
              found.push(terms['fields'] ?? NaN);
              expected.push(sums.mean / sums.count);
              [sums.mean, sums.count] = [0, 0];
            });
          return run;
        }),
      );
      await Promise.all(runs.map((run) => run.train()));
      t.is(found.length, 6);
      for (const [at, value] of found.entries()) t.true(Math.abs(value - (expected[at] ?? NaN)) < 1e-4, String(found));
    },
  );
}

test.serial('micro-batch:end has the loss of the micro-batch, and each token’s loss if requested', async (t) => {
  await using made = await testRun({ iterations: 4, config: { train: { gradient_accumulation_steps: 2 } } });
  const { run } = made;
  const ends: MicroBatchEnd[] = [];
  run.on('batch:ready', (drawn) => {
    drawn.batch = masked(drawn.batch, drawn.iteration, 2 * drawn.microBatch);
    if (drawn.iteration > 1) drawn.tokenLosses = true;
  });
  run.on('micro-batch:end', (end) => ends.push(end));
  await made.train();
  t.is(ends.length, 8);
  for (const { iteration, batch, loss, tokenLosses } of ends) {
    const { targets } = countedTargets(batch);
    t.is(Number.isNaN(loss), targets === 0);
    t.is(
      tokenLosses === undefined,
      iteration < 2 ||
        targets +
          countedTargets(ends.find((end) => end.iteration === iteration && end.batch !== batch)!.batch).targets ===
          0,
    );
    if (tokenLosses === undefined || targets === 0) continue;
    t.is(tokenLosses.length, batch.targets.length);
    t.true([...tokenLosses].every((value, at) => (batch.targets[at] === -1 ? value === 0 : value > 0)));
    const mean = tokenLosses.reduce((sum, value) => sum + value, 0) / targets;
    t.true(Math.abs(mean - loss) < 1e-5, `${String(mean)}, not ${String(loss)}`);
  }
});

test.serial('an evaluation weights targets, also over ranks', async (t) => {
  const losses = await Promise.all(
    [1, 2].map(async (ranks) => {
      const config = { train: { batch_size: 4 / ranks }, plugins: { evaluation: { iters: 3 } } };
      const runs = await Promise.all(
        memoryRanks(ranks).map(async (plugin) => {
          const made = await testRun({ iterations: 1, plugins: [plugin], config });
          t.teardown(() => made.dispose());
          const source = made.run.container.resolve(BatchSource);
          const evaluation = source.evaluation.bind(source);
          source.evaluation = (split, index, shape, rows) =>
            weighted(evaluation(split, index, shape, rows), index, rows?.first ?? 0);
          return { made, evaluation };
        }),
      );
      const [first] = runs;
      if (first === undefined) throw new Error('there is no rank');
      const { run } = first.made;
      run.bus.listen({ plugin: 'test', event: 'evaluation:end', critical: true }, ({ losses: { val } }) => {
        let [sum, all] = [0, 0];
        for (let index = 0; index < 3; index++) {
          const whole = weighted(first.evaluation('val', index, { batchSize: 4, blockSize: 8 }), index, 0);
          useEngine(run.container.resolve(Engine));
          const each = tf.tidy(() => {
            const of = (ids: Int32Array): tf.Tensor2D => tf.tensor2d(ids, [4, 8], 'int32');
            return tokenCrossEntropy(run.model.logits(of(whole.inputs)), of(whole.targets))
              .dataSync()
              .slice();
          });
          for (const [at, weight] of (whole.weights ?? []).entries()) {
            if (whole.targets[at] === -1) continue;
            sum += weight * (each[at] ?? NaN);
            all += weight;
          }
        }
        t.true(Math.abs(val - sum / all) < 1e-5, `${String(val)}, not ${String(sum / all)}`);
      });
      await Promise.all(runs.map(({ made }) => made.train()));
      return first.made.events.of('evaluation:end')[0]?.losses.val ?? NaN;
    }),
  );
  t.true(Math.abs((losses[0] ?? NaN) - (losses[1] ?? NaN)) < 1e-4, String(losses));
});

test.serial('documents reach the model as a tensor, in passes with and without weights', async (t) => {
  await using made = await testRun({ iterations: 4, config: { plugins: { evaluation: false }, engine: 'cpu' } });
  const { run } = made;
  Object.defineProperty(run.model, 'takesDocuments', { value: true });
  const seen: (readonly number[] | undefined)[] = [];
  const { model } = run;
  const [loss, forward] = [model.loss.bind(model), model.forward?.bind(model)];
  model.loss = (ids, targets, pass, tokens) => {
    seen.push([...(tokens?.documents?.dataSync() ?? [])]);
    return loss(ids, targets, pass);
  };
  model.forward = (ids, pass, tokens) => {
    if (tokens !== undefined) seen.push([...(tokens.documents?.dataSync() ?? []), -1]);
    if (forward === undefined) throw new Error('gpt has forward');
    return forward(ids, pass);
  };
  const documents = Int32Array.from({ length: 16 }, (_, at) => Math.floor(at / 5));
  run.on('batch:ready', (drawn) => {
    const weights = drawn.iteration % 2 === 0 ? {} : { weights: new Float32Array(16).fill(2) };
    drawn.batch = { ...drawn.batch, documents, ...weights };
  });
  await made.train();
  t.deepEqual(seen, [[...documents], [...documents, -1], [...documents], [...documents, -1]]);
});

function batchWith(extra: Partial<Batch>): Batch {
  const ids = Int32Array.of(0, 1, 2, 3);
  return { inputs: ids, targets: ids, batchSize: 2, blockSize: 2, ...extra };
}

test('the optional arrays of a batch are checked', (t) => {
  const model = { blockSize: 2, vocabSize: 5 };
  const cases: [Partial<Batch>, RegExp][] = [
    [
      { weights: Float32Array.of(1, 2, 3) },
      /its weights are not of type Float32Array and length 4; give one number for each token/,
    ],
    [
      { weights: Float32Array.of(1, 0, -0.5, 1) },
      /weights have -0.5 at row 1, position 0; weights are finite and at least 0/,
    ],
    [{ weights: Float32Array.of(1, NaN, 0, 1) }, /weights have NaN at row 0, position 1/],
    [{ weights: Float32Array.of(1, 1, 0, Infinity) }, /weights have Infinity at row 1, position 1/],
    [{ documents: Int32Array.of(1) }, /its documents are not of type Int32Array and length 4/],
    [
      { fields: { mine: new Float32Array(5) } },
      /numbers of the field "mine" are not of type Int32Array or Float32Array and length 4/,
    ],
    [
      { documents: new Int32Array(4) },
      /^it has documents, and model plugin unknown does not keep attention within them/,
    ],
  ];
  for (const [extra, message] of cases) {
    t.throws(() => checkBatch(batchWith(extra), model, () => 'it'), { message });
  }
  const whole = { weights: new Float32Array(4), documents: new Int32Array(4), fields: { a: new Int32Array(4) } };
  t.notThrows(() => checkBatch(batchWith(whole), { ...model, takesDocuments: true }, () => 'it'));
});

test.serial('documents for a model that does not support them end the run, naming both plugins', async (t) => {
  await using made = await testRun({ config: { plugins: { evaluation: false } } });
  Object.defineProperty(made.run.model, 'takesDocuments', { value: false });
  made.run.on('batch:ready', (drawn) => {
    drawn.batch = { ...drawn.batch, documents: new Int32Array(drawn.batch.inputs.length) };
  });
  await t.throwsAsync(made.train(), {
    code: 'ESP_BATCH_DOCUMENTS',
    message: /the batch that plugin batches-random gave .*has documents, and model plugin gpt does not keep/,
  });
});
