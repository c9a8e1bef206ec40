import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { BatchSource, Dataset, EspalierError, LearningRate, Optimizer, tf, Tunables } from '../../../core/index.js';
import {
  MemoryCheckpoints,
  testRanks,
  testRun,
  trainTogether,
  type TestRun,
} from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';

const guide = [
  'plugins/lr-schedule',
  'plugins/batch-strategy',
  'plugins/optimizer',
  'plugins/model',
  'plugins/evaluator',
  'plugins/loss-term',
]
  .map((page) => readFileSync(`docs/${page}.md`, 'utf8'))
  .join('\n');

/** Returns a folder with a plugin of the guide, changed by `change`. */
function folderWith(t: ExecutionContext, name: string, change = (file: string): string => file): string {
  const folder = emptyFolder(t);
  const [, file = ''] = new RegExp(`\`\`\`ts\\n(// ${name}\\.ts\\n[^]*?)\`\`\``).exec(guide) ?? [];
  writeFileSync(path.join(folder, `${name}.ts`), change(file));
  return folder;
}

test('the guide’s learning-rate schedule rises, stays and falls', async (t) => {
  const folder = folderWith(t, 'plateau');
  const lr = 'lr={use: ./plateau.ts, warmup_iters: 3, decay_share: 0.5}';
  await using made = await testRun({ cwd: folder, iterations: 12, set: [lr] });
  const { run } = made;
  const schedule = run.container.resolve(LearningRate);
  const rates = Array.from({ length: 12 }, (_, iteration) => schedule.at(iteration, 12));
  t.deepEqual(rates, [3, 6, 9, 12, 12, 12, 12, 10, 8, 6, 4, 2]);
});

/** Plugins that the guides showed before `schedulePlugin`. */
const halvingClass = `
import { DecaySchedule, decayOptions, inject, LearningRate, Plugin, PluginConfig, ScheduleParts } from 'espalier';
import type { Bindings } from 'espalier';
import { z } from 'zod';

const options = z.strictObject(decayOptions);

@Plugin({ name: 'halving', summary: 'halves the rate four times', slot: 'lr', config: options })
export default class Halving extends DecaySchedule {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, Halving);
  }

  constructor(@inject(PluginConfig) config: z.output<typeof options>, @inject(ScheduleParts) parts: ScheduleParts) {
    super(config, parts);
  }

  /** 1 is the optimizer's rate, 0 is min_lr. */
  protected override shareLeft(iteration: number, warmup: number, end: number): number {
    return 0.5 ** Math.floor((4 * (iteration - warmup)) / (end - warmup));
  }
}
`;

for (const [what, change] of [
  ['as the guide has it', (file: string) => file],
  ['with an import of its family', (file: string) => file.replace("'espalier'", "'espalier/lr'")],
  ['as the class of earlier guides', () => halvingClass],
] as const) {
  test(`a schedule that decays to min_lr, ${what}`, async (t) => {
    const folder = folderWith(t, 'halving', change);
    const lr = 'lr={use: ./halving.ts, warmup_iters: 2, min_lr: 0}';
    await using made = await testRun({ cwd: folder, iterations: 10, set: [lr] });
    const { run } = made;
    const schedule = run.container.resolve(LearningRate);
    const rates = Array.from({ length: 12 }, (_, iteration) => schedule.at(iteration, 12));
    t.deepEqual(rates, [4, 8, 12, 12, 6, 6, 3, 3, 1.5, 1.5, 0.75, 0]);
    run.container.resolve(Tunables).set('lr_schedule_offset', 4);
    t.is(schedule.at(4, 12), 4, 'it begins again');
  });
}

/** Plugins that the guides showed before `windowStrategy`. */
const backwardsClass = `
import { BatchSource, Dataset, inject, Model, Plugin, PluginConfig, prefetchOptions, RandomStreams } from 'espalier';
import { WindowBatches, windowsIn, type Bindings, type TokenReader } from 'espalier';
import { z } from 'zod';

const options = z.strictObject(prefetchOptions);

@Plugin({ name: 'backwards', summary: 'windows from the last to the first', slot: 'batches', config: options })
export default class Backwards extends WindowBatches {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, Backwards);
  }

  protected override readonly passes = true;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(Dataset) data: Dataset,
    @inject(Model) model: Model,
    @inject(RandomStreams) streams: RandomStreams,
  ) {
    super({ ...config, data, model, streams });
  }

  protected override startOf(window: number, blockSize: number, reader: TokenReader): number {
    const count = windowsIn(reader, blockSize);
    return (count - 1 - (window % count)) * blockSize;
  }
}
`;

for (const [what, change] of [
  ['as the guide has it', (file: string) => file],
  ['with an import of its family', (file: string) => file.replace("'espalier'", "'espalier/batches'")],
  ['as the class of earlier guides', () => backwardsClass],
] as const) {
  test(`a strategy that serves windows from the last to the first, ${what}`, async (t) => {
    const folder = folderWith(t, 'backwards', change);
    await using made = await testRun({
      cwd: folder,
      set: ['batches={strategy: ./backwards.ts}', 'model.block_size=32'],
    });
    const { run } = made;
    const source = run.container.resolve(BatchSource);
    const reader = run.container.resolve(Dataset).split('train');
    const shape = { batchSize: 3, blockSize: 32 };
    const count = Math.floor((reader.length - 1) / 32);
    const served = [await source.next(shape), await source.next(shape)].flatMap(({ inputs }) => [...inputs]);
    const expected = Array.from({ length: 6 }, (_, window) => {
      const tokens = new Int32Array(32);
      reader.read((count - 1 - window) * 32, 32, tokens, 0);
      return [...tokens];
    });
    t.deepEqual(served, expected.flat());
    t.is(source.progress().progress, 6 / count);
    t.is(source.progress().position, (count - 6) * 32);
    t.deepEqual(source.state(), { windows: 6 });
  });
}

test('the guide’s optimizer resumes with its state and the scheduled learning rate', async (t) => {
  const folder = folderWith(t, 'momentum');
  const set = ['optimizer={use: ./momentum.ts}', 'lr.decay_iters=4'];
  const train = async (checkpoints: MemoryCheckpoints, iterations: number): Promise<TestRun> => {
    const isNew = checkpoints.names.length === 0;
    const made = await testRun({ cwd: folder, checkpoints, iterations, set });
    t.teardown(() => made.dispose());
    if (isNew) made.run.container.resolve(Tunables).set('learning_rate', 0.05);
    await made.train();
    return made;
  };
  const whole = await train(new MemoryCheckpoints(), 4);
  const checkpoints = new MemoryCheckpoints();
  await train(checkpoints, 2);
  const parts = await train(checkpoints, 4);
  t.is(parts.run.container.resolve(Optimizer).learningRate, 0.05);
  t.deepEqual([...parts.events.losses.keys()], [2, 3]);
  t.deepEqual(parts.weights(), whole.weights());
});

test('the guide’s model, made of TensorFlow.js’s operations, learns', async (t) => {
  const folder = folderWith(t, 'bigram');
  const set = ['optimizer.learning_rate=0.05', 'train.batch_size=4', 'model={use: ./bigram.ts, block_size: 32}'];
  await using made = await testRun({ cwd: folder, iterations: 60, set });
  const { run } = made;
  await made.train();
  const losses = [...made.events.losses.values()];
  t.true((losses.at(-1) ?? NaN) < 0.6 * (losses[0] ?? NaN), String(losses));
  const text = run.model.generate([0], { maxNewTokens: 5, temperature: 1, topK: 0, random: () => 0.5 });
  t.is(text.length, 5);
});

test('an operation without a gradient is named', async (t) => {
  const folder = folderWith(t, 'bigram', (file) => file.replace('tf.tanh(rows)', 'tf.atan(rows)'));
  await using made = await testRun({ cwd: folder, set: ['model={use: ./bigram.ts}'] });
  await t.throwsAsync(made.train(), {
    instanceOf: EspalierError,
    code: 'ESP_NO_GRADIENT',
    message: /operation Atan, which has no gradient: .* tf\.customGrad/,
  });
});

test('the guide’s evaluator measures at its interval and at the end, the same on both of two ranks', async (t) => {
  const folder = folderWith(t, 'accuracy');
  const options = { cwd: folder, iterations: 7, set: ['plugins={"./accuracy.ts": {interval: 6, iters: 4}}'] };
  await using one = await testRun(options);
  await one.train();
  const expected = one.events.metric('val/accuracy');
  t.deepEqual([...expected.keys()], [6, 7]);
  for (const share of expected.values()) t.true(share >= 0 && share <= 1);
  const ranks = await testRanks(2, { ...options, iterations: 1 });
  for (const rank of ranks) t.teardown(() => rank.dispose());
  await trainTogether(ranks);
  const [first, second] = ranks.map(({ events }) => events.metric('val/accuracy').get(1));
  t.is(first, second);
  t.true(first !== undefined && first >= 0 && first <= 1);
});

test('the guide’s loss term is the negative entropy of predictions, and its weight rises', async (t) => {
  const folder = folderWith(t, 'confidence');
  const set = ['plugins."./confidence.ts".warmup_iters=2', 'plugins.evaluation=false'];
  await using made = await testRun({ cwd: folder, iterations: 4, set, config: { model: { dropout: 0 } } });
  const { model } = made.run;
  const expected: number[] = [];
  made.run.on('batch:ready', ({ batch: { inputs, batchSize, blockSize } }) => {
    const entropy = tf.tidy(() => {
      const logits = model.logits(tf.tensor2d(inputs, [batchSize, blockSize], 'int32'));
      return tf.mean(tf.sum(tf.mul(tf.softmax(logits), tf.logSoftmax(logits)), -1)).dataSync()[0];
    });
    expected.push(entropy ?? NaN);
  });
  await made.train();
  const found = made.events.of('iteration:end').map(({ terms }) => terms['confidence']);
  t.is(found[0], undefined, 'its weight is 0');
  for (const [at, value = NaN] of found.entries())
    if (at > 0) t.true(Math.abs(value - (expected[at] ?? NaN)) < 1e-4, `${String(found)} ${String(expected)}`);
});
