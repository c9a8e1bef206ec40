// One engine's training step, in a process of its own: reads `{"steps": n}` and `{"product": n}` lines, answers each.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Batch, Engine, Model, Optimizer, tf } from '../../core/index.js';
import { makeRun } from '../../core/run/make.js';
import { PassReplay } from '../../core/run/pass-replay.js';
import { microBatchStep, trainableParameters } from '../../core/run/step.js';
import { Terminal } from '../../core/terminal.js';
import type { Question } from './contestant.js';
import { settingsOf, type Shape } from './shapes.js';

const [given = '', ...engineSettings] = process.argv.slice(2);
const shape: Shape = JSON.parse(given);
const { run } = await makeRun({
  cwd: import.meta.dirname,
  presets: ['base'],
  set: [...modelOf(shape), ...settingsOf(shape), ...engineSettings],
  only: ['engine', 'model', 'optimizer'],
  terminal: new Terminal({ quiet: true }),
});
await run.setUp(shape.vocabSize);
const [model, optimizer] = [run.container.resolve(Model), run.container.resolve(Optimizer)];
const passes = new PassReplay(run.container.resolve(Engine), model);
const size = shape.batchSize * shape.blockSize;
const ids = (factor: number): Int32Array => Int32Array.from({ length: size }, (_, i) => (i * factor) % shape.vocabSize);
const { batchSize, blockSize } = shape;
const batch: Batch = { batchSize, blockSize, inputs: ids(7919), targets: ids(104_729), ...documentsOf(shape) };

answer({ ready: run.container.resolve(Engine).description });
for await (const line of createInterface({ input: process.stdin })) {
  const question: Question = JSON.parse(line);
  const before = process.cpuUsage();
  const times = 'steps' in question ? await timed(question.steps, step) : await productsOf(question.product);
  const { user, system } = process.cpuUsage(before);
  const hostMilliseconds = (user + system) / 1000 / times.length;
  answer({
    times,
    hostMilliseconds,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    residentBytes: process.memoryUsage.rss(),
  });
}
await run.dispose();

function modelOf({ model = 'gpt', vocabSize }: Shape): string[] {
  if (model === 'gpt' || model === 'llama') return [`model.use=${model}`, `model.vocab_size=${String(vocabSize)}`];
  return [`model={use: ${fileURLToPath(new URL(`../../../test/fixtures/${model}.ts`, import.meta.url))}}`];
}

function documentsOf({ documents, blockSize }: Shape): Pick<Batch, 'documents'> {
  if (documents === undefined) return {};
  const numbers = Array.from({ length: size }, (_, i) => Math.floor(((i % blockSize) * documents) / blockSize));
  return { documents: Int32Array.from(numbers) };
}

/** Forward, backward, clip to 1.0, AdamW. */
function step(): void {
  const gradients = new Map<string, tf.Tensor>();
  microBatchStep(passes, batch, 1, gradients, { pass: { iteration: 0, microBatch: 0 } }).read();
  optimizer.step({ parameters: trainableParameters(model), gradients, learningRate: 1e-3, gradClip: 1 });
  for (const gradient of gradients.values()) gradient.dispose();
}

/** Milliseconds of products of two square matrices that are there. */
async function productsOf(n: number): Promise<number[]> {
  const [a, b] = [tf.ones<tf.Rank.R2>([n, n]), tf.ones<tf.Rank.R2>([n, n])];
  const times = await timed(10, () => {
    tf.matMul(a, b).dispose();
  });
  tf.dispose([a, b]);
  return times;
}

/** Milliseconds of each. */
async function timed(count: number, work: () => void): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    work();
    times.push(performance.now() - start);
    await nextTurn();
  }
  return times;
}

function answer(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
