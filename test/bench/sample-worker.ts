// Generates text with a GPT of random weights on one engine, in its own process: reads lines `{"steps": tokens}` and
// answers each.
import { createInterface } from 'node:readline';
import { Engine, Model, RandomStreams } from '../../core/index.js';
import { makeRun } from '../../core/run/make.js';
import { Terminal } from '../../core/terminal.js';
import { withChangingShapes } from '../../plugins/ops/contract.js';
import type { Question } from './contestant.js';
import { settingsOf, type Shape } from './shapes.js';

/** Shape, prompt, temperature and top-k, as JSON. */
interface Given {
  readonly shape: Shape;
  readonly prompt: readonly number[];
  readonly temperature: number;
  readonly topK: number;
}

const [json = '', ...engineSettings] = process.argv.slice(2);
const { shape, prompt, temperature, topK }: Given = JSON.parse(json);
const { run } = await makeRun({
  cwd: import.meta.dirname,
  presets: ['base'],
  set: ['model.use=gpt', `model.vocab_size=${String(shape.vocabSize)}`, ...settingsOf(shape), ...engineSettings],
  only: ['engine', 'model'],
  terminal: new Terminal({ quiet: true }),
});
await run.setUp(shape.vocabSize);
const model = run.container.resolve(Model);
const stream = new RandomStreams(1).at('sample', 0);

answer({ ready: run.container.resolve(Engine).description });
for await (const line of createInterface({ input: process.stdin })) {
  const question: Question = JSON.parse(line);
  const tokens = 'steps' in question ? question.steps : 0;
  const start = performance.now();
  const written = withChangingShapes(() =>
    model.generate(prompt, { maxNewTokens: tokens, temperature, topK, random: () => stream.float() }),
  );
  const times = [(performance.now() - start) / written.length];
  answer({ times, peakBytes: process.resourceUsage().maxRSS * 1024, residentBytes: process.memoryUsage.rss() });
}
await run.dispose();

function answer(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
