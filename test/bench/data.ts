import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BatchSource, RandomStreams } from '../../core/index.js';
import { makeRun } from '../../core/run/make.js';
import { inFolder } from './folder.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface DataResult {
  readonly strategy: string;
  /** Microseconds of `next()` while batches are ready. */
  readonly nextMicroseconds: number;
  /** Milliseconds of a training iteration. */
  readonly iterationMilliseconds: number;
  /** Share of an iteration that the loop spends in `next()`. */
  readonly waiting: number;
}

const STRATEGIES = ['random', 'sequential', 'epoch', 'mixture', 'curriculum'];
const TOKENS = 20_000_000;
const VOCABULARY = 65;
const STEPS = 400;
const WARM_UP = 50;

/** Measures how long training on token files waits for data, for every batch strategy. */
export function measureData(shape: Shape, say: (line: string) => void): Promise<DataResult[]> {
  return inFolder(async (cwd) => {
    const random = new RandomStreams(1).at('bench', 0);
    const tokens = Uint16Array.from({ length: TOKENS }, () => random.below(VOCABULARY));
    await writeFile(path.join(cwd, 'train.bin'), tokens);
    await writeFile(path.join(cwd, 'val.bin'), tokens.subarray(0, 100_000));
    const results = [];
    for (const strategy of STRATEGIES) {
      say(`data: ${strategy}`);
      results.push(await measure(cwd, shape, strategy));
    }
    return results;
  });
}

async function measure(cwd: string, shape: Shape, strategy: string): Promise<DataResult> {
  const weights = strategy === 'mixture' ? ', weights: {.: 1}' : '';
  const { run } = await makeRun({
    cwd,
    presets: ['char-small'],
    set: [
      ...settingsOf(shape),
      'engine=native',
      'data={dir: .}',
      `batches={strategy: ${strategy}${weights}}`,
      `train.max_iters=${String(STEPS)}`,
      'plugins={evaluation: false, checkpoint: false, progress: false, training-metrics: false, run-log: false}',
    ],
  });
  try {
    await run.setUp();
    const source = run.container.resolve(BatchSource);
    const next = source.next.bind(source);
    const waits: number[] = [];
    source.next = async (asked) => {
      const from = performance.now();
      const drawn = next(asked);
      const batch = drawn instanceof Promise ? await drawn : drawn;
      waits.push(performance.now() - from);
      return batch;
    };
    const starts: number[] = [];
    run.bus.on('iteration:start', () => starts.push(performance.now()));
    await run.train();
    const iterations = starts.slice(WARM_UP + 1).map((at, i) => at - (starts[WARM_UP + i] ?? NaN));
    const waited = waits.slice(WARM_UP);
    return {
      strategy,
      nextMicroseconds: 1000 * median(waited),
      iterationMilliseconds: median(iterations),
      waiting: sum(waited) / sum(iterations),
    };
  } finally {
    await run.dispose();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
