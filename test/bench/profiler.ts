import { fileURLToPath } from 'node:url';
import { EventBus, Sections } from '../../core/index.js';
import { makeRun } from '../../core/run/make.js';
import { Account } from '../../plugins/profiler/profiler/account.js';
import { startContestant, type Contestant } from './contestant.js';
import { inFolder } from './folder.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface ProfilerResult {
  readonly shape: string;
  /** Milliseconds of an iteration. */
  readonly without: number;
  readonly with: number;
  /** Microseconds of the profiler's own work per iteration. */
  readonly ownMicroseconds: number;
}

const PAIRS = 3;
const ROUNDS = 10;
/** Number of calls that are timed together. */
const MANY = 100_000;
/** Iterations over which calls are counted; they include one publication of figures. */
const COUNTED = 50;
const worker = fileURLToPath(new URL('loop-worker.js', import.meta.url));

/** Measures an iteration of `espalier train` without and with the profiler, in turns, and the profiler's own work. */
export async function measureProfiler(
  name: string,
  shape: Shape,
  steps: number,
  say: (line: string) => void,
): Promise<ProfilerResult> {
  const times = { without: [] as number[], with: [] as number[] };
  for (let pair = 1; pair <= PAIRS; pair++) {
    say(`${name}: the profiler, pair ${String(pair)} of ${String(PAIRS)}`);
    await inFolder(async (cwd) => {
      const without = await training(cwd, shape, 'without', 'plugins.profiler=false');
      const on = await training(cwd, shape, 'with');
      try {
        for (let turn = 0; turn < ROUNDS; turn++) {
          const count = { steps: Math.ceil(steps / ROUNDS) };
          times.without.push(...(await without.ask(count)).times);
          times.with.push(...(await on.ask(count)).times);
        }
      } finally {
        await Promise.all([without.stop(), on.stop()]);
      }
    });
  }
  const ownMicroseconds = await inFolder((cwd) => ownWork(cwd, shape));
  return { shape: name, without: median(times.without), with: median(times.with), ownMicroseconds };
}

function training(cwd: string, shape: Shape, name: string, ...set: string[]): Promise<Contestant> {
  const settings = [...settingsOf(shape), 'engine=native', `run.dir=${name}`, ...set];
  return startContestant(name, process.execPath, [worker, cwd, ...settings]);
}

/** Time of its listeners in a run, plus the time of as many watched calls as an iteration makes. */
async function ownWork(cwd: string, shape: Shape): Promise<number> {
  const set = [...settingsOf(shape), 'engine=native', `train.max_iters=${String(COUNTED)}`, 'plugins.evaluation=false'];
  const { run } = await makeRun({ cwd, presets: ['char-small'], set });
  const calls = { listeners: 0, events: 0, sections: 0 };
  let listening = 0;
  let from = 0;
  try {
    await run.setUp();
    run.bus.spy({
      beforeEvent: () => calls.events++,
      before: ({ plugin }) => {
        calls.listeners++;
        if (plugin === 'profiler') from = performance.now();
      },
      after: ({ plugin, event }) => {
        if (plugin === 'profiler' && event === 'iteration:end') listening += performance.now() - from;
      },
    });
    run.container.resolve(Sections).watch({ begin: () => calls.sections++, end: () => undefined });
    await run.train();
  } finally {
    await run.dispose();
  }
  const watched = calls.listeners * costOfListener() + calls.events * costOfEvent() + calls.sections * costOfSection();
  return (watched + 1000 * listening) / COUNTED;
}

/** Returns the microseconds that watching adds to a call. */
function costOfListener(): number {
  return added((bus) => {
    bus.listen({ plugin: 'bench', event: 'iteration:end', critical: true }, () => undefined);
    const event = {
      iteration: 0,
      maxIters: 0,
      targets: 1,
      loss: 0,
      terms: {},
      gradNorm: 0,
      learningRate: 0,
      tokens: 0,
    };
    return () => void bus.dispatch('iteration:end', event);
  });
}

function costOfEvent(): number {
  return added((bus) => () => void bus.dispatch('iteration:start', { iteration: 0, learningRate: 0 }));
}

function costOfSection(): number {
  return added((_, sections) => () => {
    sections.measure('bench', () => undefined);
  });
}

function added(make: (bus: EventBus, sections: Sections) => () => void): number {
  const [plain, watched] = [false, true].map((watch) => {
    const [bus, sections] = [new EventBus(), new Sections()];
    const work = make(bus, sections);
    if (watch) new Account().open(bus, sections);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      for (let i = 0; i < MANY; i++) work();
      return performance.now() - start;
    });
    return (1000 * median(times)) / MANY;
  });
  return (watched ?? NaN) - (plain ?? NaN);
}
