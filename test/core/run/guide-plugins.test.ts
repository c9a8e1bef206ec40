import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { BatchSource, Dataset, EspalierError, LearningRate, Optimizer, Tunables } from '../../../core/index.js';
import type { MadeRun } from '../../../core/run/make.js';
import { debugRun } from './debug-run.js';
import { textFolder } from '../../text.js';

const guide = ['writing-plugins', 'learning-rate', 'batch-strategies']
  .map((page) => readFileSync(`docs/${page}.md`, 'utf8'))
  .join('\n');

/** A folder with a plugin of the guide as it stands there, but for what `change` makes of it. */
function folderWith(t: ExecutionContext, name: string, change = (file: string): string => file): string {
  const folder = textFolder(t);
  const [, file = ''] = new RegExp(`\`\`\`ts\\n(// ${name}\\.ts\\n[^]*?)\`\`\``).exec(guide) ?? [];
  writeFileSync(path.join(folder, `${name}.ts`), change(file));
  return folder;
}

test('the guide’s learning-rate schedule rises, stays and falls', async (t) => {
  const folder = folderWith(t, 'plateau');
  const lr = 'lr={use: ./plateau.ts, warmup_iters: 3, decay_share: 0.5}';
  const { run } = await debugRun(t, folder, 'train.max_iters=12', lr);
  const schedule = run.container.resolve(LearningRate);
  const rates = Array.from({ length: 12 }, (_, iteration) => schedule.at(iteration, 12));
  t.deepEqual(rates, [3, 6, 9, 12, 12, 12, 12, 10, 8, 6, 4, 2]);
});

/** What the guides showed before `schedulePlugin`. */
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
  test(`a schedule that falls to min_lr, ${what}`, async (t) => {
    const folder = folderWith(t, 'halving', change);
    const lr = 'lr={use: ./halving.ts, warmup_iters: 2, min_lr: 0}';
    const { run } = await debugRun(t, folder, 'train.max_iters=10', lr);
    const schedule = run.container.resolve(LearningRate);
    const rates = Array.from({ length: 12 }, (_, iteration) => schedule.at(iteration, 12));
    t.deepEqual(rates, [4, 8, 12, 12, 6, 6, 3, 3, 1.5, 1.5, 0.75, 0]);
    run.container.resolve(Tunables).set('lr_schedule_offset', 4);
    t.is(schedule.at(4, 12), 4, 'it begins again');
  });
}

/** What the guides showed before `windowStrategy`. */
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
    const { run } = await debugRun(t, folder, 'batches={strategy: ./backwards.ts}');
    await run.setUp();
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

test('the guide’s optimizer goes on where it was, with the learning rate that a schedule gave it', async (t) => {
  const folder = folderWith(t, 'momentum');
  const train = async (dir: string, iterations: number, from?: string): Promise<MadeRun> => {
    const set = [`run.dir=${dir}`, `train.max_iters=${String(iterations)}`, 'lr.decay_iters=4', 'init=resume'];
    const created = await debugRun(t, folder, 'optimizer={use: ./momentum.ts}', ...set);
    await created.run.setUp();
    if (from === undefined) created.run.container.resolve(Tunables).set('learning_rate', 0.05);
    else created.run.restore(await readCheckpoint(await findCheckpoint(from, folder)));
    await created.run.train();
    return created;
  };
  const whole = await train('whole', 4);
  await train('parts', 2);
  const parts = await train('parts', 4, 'parts');
  t.is(parts.run.container.resolve(Optimizer).learningRate, 0.05);
  for (const [name, weight] of whole.run.model.parameters()) {
    t.deepEqual(parts.run.model.parameters().get(name)?.dataSync(), weight.dataSync(), name);
  }
});

test('the guide’s model, of TensorFlow.js’s operations, learns', async (t) => {
  const folder = folderWith(t, 'bigram');
  const losses: number[] = [];
  const set = ['train.max_iters=60', 'optimizer.learning_rate=0.05', 'plugins.evaluation=null'];
  const { run } = await debugRun(t, folder, ...set, 'model={use: ./bigram.ts}');
  run.bus.on('iteration:end', ({ loss }) => losses.push(loss));
  await run.setUp();
  await run.train();
  t.true((losses.at(-1) ?? NaN) < 0.6 * (losses[0] ?? NaN), String(losses));
  const text = run.model.generate([0], { maxNewTokens: 5, temperature: 1, topK: 0, random: () => 0.5 });
  t.is(text.length, 5);
});

test('an operation without a gradient is named', async (t) => {
  const folder = folderWith(t, 'bigram', (file) => file.replace('tf.tanh(rows)', 'tf.atan(rows)'));
  const { run } = await debugRun(t, folder, 'model={use: ./bigram.ts}');
  await run.setUp();
  await t.throwsAsync(run.train(), {
    instanceOf: EspalierError,
    code: 'ESP_NO_GRADIENT',
    message: /operation Atan, which has no gradient here: .* tf\.customGrad/,
  });
});
