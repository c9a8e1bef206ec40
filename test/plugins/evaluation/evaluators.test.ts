import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {
  BatchSource,
  inject,
  Plugin,
  PluginError,
  tf,
  useEngine,
  UsageError,
  type Bindings,
  type Model,
  type PluginClass,
  type Ranks,
  type Tokenizer,
} from '../../../core/index.js';
import { Evaluators, type Evaluator, type EvaluatorContext } from '../../../plugins/index.js';
import {
  assertNoLeaks,
  assertResumes,
  onceAt,
  signalArrives,
  testRanks,
  testRun,
  trainTogether,
  type TestRun,
} from '../../../plugins/testing/contract.js';
import { espalier } from '../../e2e/warm.js';
import { textFolder } from '../../text.js';

const number = { unit: '', what: 'a number' };
type Run = Evaluator['run'];

/** A plugin with an evaluator of its name that returns what it is given. */
function evaluatorPlugin(
  run: Run | Readonly<Record<string, unknown>>,
  { name = 'scorer', evaluator = 'scorer', interval = 0, metrics = ['score'] } = {},
): PluginClass {
  @Plugin({ name, summary: 'scores', metrics: Object.fromEntries(metrics.map((metric) => [metric, number])) })
  class Scorer implements Evaluator {
    static register(bindings: Bindings): void {
      bindings.add(Evaluators, this);
    }

    readonly name: string = evaluator;
    readonly interval = interval;

    async run(model: Model, tokenizer: Tokenizer | undefined, ranks: Ranks, context: EvaluatorContext) {
      await context.onBatch(1, 1);
      if (typeof run === 'function') return run(model, tokenizer, ranks, context);
      return run as Record<string, number>;
    }
  }
  return Scorer;
}

/** The share of evaluation targets that the model finds likeliest, over the rows of all ranks. */
@Plugin({ name: 'accuracy', summary: 'accuracy', metrics: { 'val/accuracy': { unit: 'share', what: 'accuracy' } } })
class Accuracy implements Evaluator {
  static register(bindings: Bindings): void {
    bindings.add(Evaluators, Accuracy);
  }

  readonly name = 'accuracy';

  constructor(@inject(BatchSource) private readonly batches: BatchSource) {}

  async run(model: Model, _tokenizer: unknown, ranks: Ranks, { engine, stop, onBatch }: EvaluatorContext) {
    let right = 0;
    const shape = { batchSize: 2 * ranks.size, blockSize: model.blockSize };
    for (let index = 0; index < 3 && !stop(); index++) {
      useEngine(engine);
      const { inputs, targets } = this.batches.evaluation('val', index, shape);
      const guesses = tf.tidy(() =>
        tf.argMax(model.logits(tf.tensor2d(inputs, [shape.batchSize, shape.blockSize], 'int32')), -1).dataSync(),
      );
      for (const [i, target] of targets.entries()) if (guesses[i] === target) right++;
      await onBatch(index + 1, 3);
    }
    const [mean = NaN] = await ranks.average([right]);
    return { 'val/accuracy': mean / (3 * shape.batchSize * shape.blockSize) };
  }
}

/** What a run tells of its evaluations, in order. */
function told({ run }: TestRun): string[] {
  const seen: string[] = [];
  run.on('metrics', ({ iteration, values }) => seen.push(`${iteration} ${Object.keys(values).join()}`));
  run.on('evaluation:end', ({ iteration }) => seen.push(`${iteration} end`));
  return seen;
}

test('evaluators measure after the losses, each at its interval and at the end', async (t) => {
  const rare = evaluatorPlugin({ rare: 2 }, { name: 'rare', evaluator: 'rare', interval: 4, metrics: ['rare'] });
  await using made = await testRun({
    iterations: 7,
    plugins: [evaluatorPlugin({ score: NaN }), rare],
    set: ['plugins.evaluation.interval=2'],
  });
  const seen = told(made);
  await made.train();
  const losses = 'eval/train_loss,val/loss';
  const expected = [2, 4, 6, 7].flatMap((at) => {
    const also = at === 4 || at === 7 ? [`${at} rare`] : [];
    return [`${at} ${losses}`, `${at} score`, ...also, `${at} end`];
  });
  t.deepEqual(seen, expected);
  const warnings = made.log.filter(({ level }) => level === 'warn');
  t.deepEqual(warnings, [], 'the metrics are their plugins’ own');
  t.true(made.log.some(({ line }) => line === 'iteration 4: rare: rare 2.0000'));
});

test('an interval that few evaluations are a multiple of causes a warning', async (t) => {
  await using made = await testRun({ plugins: [evaluatorPlugin({ score: 1 }, { interval: 2 })] });
  await made.train();
  const [warning] = made.log.filter(({ level }) => level === 'warn');
  t.regex(
    warning?.line ?? '',
    /^evaluator scorer runs only every 6 iterations and at the end: evaluations are every 3 /,
  );
  t.deepEqual([...made.events.metric('score').keys()], [6]);
});

const wrong: readonly (readonly [
  what: string,
  run: Run | Record<string, unknown>,
  message: RegExp,
  metrics?: string[],
])[] = [
  ['a metric that is not declared', { score: 1, scor: 2 }, /"scor", which plugin scorer does not .*"score"\?/],
  ['a metric that is missing', {}, /did not return the metric "score", which plugin scorer declares/],
  ['an infinite metric', { score: Infinity }, /its metric "score" is Infinity: return a finite number, or NaN/],
  ['what is no number', { score: '1' }, /its metric "score" is 1: return a finite number/],
  ['what it throws', () => Promise.reject(new Error('oh')), /: oh$/],
];
for (const [what, run, message] of wrong) {
  test(`refused with evaluator and plugin: ${what}`, async (t) => {
    await using made = await testRun({ plugins: [evaluatorPlugin(run, { evaluator: 'scores' })] });
    const error = await t.throwsAsync(made.train(), { instanceOf: PluginError });
    t.regex(error.message, /^plugin scorer failed at evaluator scores: /);
    t.regex(error.message, message);
  });
}

test('metrics that match a declared pattern are optional', async (t) => {
  const run = evaluatorPlugin({ score: 1, 'score/a': 2 }, { metrics: ['score', 'score/*'] });
  await using made = await testRun({ plugins: [run] });
  await made.train();
  t.is(made.events.metric('score/a').get(3), 2);
});

test('two evaluators with the same name are refused, naming their plugins', async (t) => {
  const plugins = [evaluatorPlugin({ score: 1 }), evaluatorPlugin({ other: 1 }, { name: 'other' })];
  await t.throwsAsync(testRun({ plugins }), {
    instanceOf: UsageError,
    code: 'ESP_EVALUATOR',
    message: /^plugins scorer and other both add an evaluator named "scorer": turn one off/,
  });
});

test('a run stopped during an evaluator repeats the evaluation when it is resumed', async (t) => {
  const metrics: string[][] = [];
  await assertResumes(
    { plugins: [Accuracy], faults: [(made) => metrics.push(told(made))] },
    // The second and third of a boundary are the evaluator's.
    [
      { event: 'evaluation:batch', at: 3, nth: 4 },
      { event: 'evaluation:batch', at: 6, nth: 3 },
    ],
  );
  const [whole, ...parts] = metrics;
  t.deepEqual(parts.flat(), whole);
  t.is(parts.length, 3);
});

test('two ranks both measure, and if one is stopped both repeat the evaluation later', async (t) => {
  const ranks = await testRanks(2, { plugins: [Accuracy], set: ['train.batch_size=1'] });
  const [first, second] = ranks;
  if (first === undefined || second === undefined) return;
  signalArrives({ event: 'evaluation:batch', at: 6, nth: 4 })(second);
  await trainTogether(ranks);
  t.deepEqual([...first.events.metric('val/accuracy')], [...second.events.metric('val/accuracy')]);
  t.deepEqual([...first.events.metric('val/accuracy').keys()], [3]);
  for (const { run } of ranks) t.true(run.state.owesEvaluation);
  for (const rank of ranks) await rank.dispose();
});

test.serial('an evaluation with evaluators leaves no tensors behind', async (t) => {
  await t.notThrowsAsync(assertNoLeaks({ plugins: [Accuracy] }));
});

test('an evaluator measures the current weights', async (t) => {
  const run: Run = (model) => {
    const [weight] = model.parameters().values();
    return Promise.resolve({ score: weight?.dataSync()[0] ?? NaN });
  };
  await using made = await testRun({
    plugins: [evaluatorPlugin(run)],
    faults: [
      onceAt({ event: 'evaluation:start', at: 3 }, ({ run: { model } }) => {
        for (const weight of model.parameters().values()) weight.assign(tf.tidy(() => tf.fill(weight.shape, 0.5)));
      }),
    ],
  });
  await made.train();
  t.is(made.events.metric('score').get(3), 0.5);
});

const file = `import { BatchSource, Evaluators, inject, Plugin } from 'espalier';
import type { Bindings, Evaluator } from 'espalier';

@Plugin({ name: 'first', summary: 'the first token', metrics: { first: { unit: '', what: 'an id' } } })
export default class First implements Evaluator {
  static register(bindings: Bindings): void {
    bindings.add(Evaluators, First);
  }
  readonly name = 'first-token';
  constructor(@inject(BatchSource) private readonly batches: BatchSource) {}
  async run(model, tokenizer) {
    const { inputs } = this.batches.evaluation('val', 0, { batchSize: 1, blockSize: model.blockSize });
    return { first: tokenizer.decode([inputs[0]]).length };
  }
}
`;

test('espalier evaluate runs the evaluators of the run’s config, and --only chooses', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'first.ts'), file);
  await using made = await testRun({
    cwd: folder,
    folder: path.join(folder, 'out'),
    iterations: 3,
    config: { data: { text: 'text.txt' } },
    plugins: ['./first.ts'],
  });
  await made.train();
  const evaluate = (...flags: string[]) => espalier(folder, 'evaluate', 'out', '--iters', '1', ...flags);
  const keys = async (...flags: string[]): Promise<string[]> => {
    const { code, out, err } = await evaluate('--json', ...flags);
    t.is(code, 0, err);
    return Object.keys(JSON.parse(out) as object).slice(2);
  };
  t.deepEqual(await keys(), ['train/loss', 'val/loss', 'first']);
  t.deepEqual(await keys('--only', 'loss'), ['train/loss', 'val/loss']);
  t.deepEqual(await keys('--only', 'first-token'), ['first']);
  t.deepEqual(await keys('--only', 'first-token, loss'), ['train/loss', 'val/loss', 'first']);
  const { out } = await evaluate('--only', 'first-token');
  t.regex(out, /\(iteration 3\)\nfirst 1\.0000\n$/);
  const unknown = await evaluate('--only', 'first');
  t.is(unknown.code, 2);
  t.regex(
    unknown.err,
    /--only first: this run has no evaluator or validation set of that name: did you mean "first-token"\?/,
  );
});
