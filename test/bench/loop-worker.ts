// `espalier train` with its default plugins, in a process of its own: pauses until it is asked for `{"steps": n}` more.
import { createInterface } from 'node:readline';
import { makeRun } from '../../core/run/make.js';
import { Terminal } from '../../core/terminal.js';
import type { Question } from './contestant.js';

const [cwd = '', ...settings] = process.argv.slice(2);
const { run } = await makeRun({
  cwd,
  presets: ['char-small'],
  set: ['train.max_iters=1000000', ...settings],
  terminal: new Terminal({ quiet: true }),
});
await run.setUp();

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let times: number[] = [];
let left = 0;
let last = 0;
run.bus.listen({ plugin: 'bench', event: 'iteration:start', critical: true }, async () => {
  const now = performance.now();
  if (last > 0) times.push(now - last);
  last = now;
  if (left > 0) left--;
  else await turn();
});
answer({ ready: 'espalier train' });
await run.train();
await run.dispose();

/** Answers for the turn that ends, and waits for the next; the end of the questions ends the run. */
async function turn(): Promise<void> {
  if (times.length > 0) {
    answer({ times, peakBytes: process.resourceUsage().maxRSS * 1024, residentBytes: process.memoryUsage.rss() });
  }
  times = [];
  const { value, done } = await lines.next();
  if (done === true) {
    run.control.requestStop('the benchmark is over');
    return;
  }
  const question: Question = JSON.parse(value);
  left = 'steps' in question ? question.steps : 0;
  last = performance.now();
}

function answer(facts: object): void {
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
