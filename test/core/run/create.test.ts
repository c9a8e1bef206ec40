import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import {
  createRun,
  inject,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  UsageError,
  type IterationEnd,
  type Run,
  type RunOptions,
  type RunSettings,
} from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { stopSignals } from '../../../plugins/signals/contract.js';
import { espalier } from '../../e2e/warm.js';
import { textFolder } from '../../text.js';

@Plugin({ name: 'notes', summary: 'Notes losses.' })
class Notes {
  static readonly options = z.strictObject({
    every: z.int().min(1).default(1).describe('iterations between notes'),
  });
  readonly losses: number[] = [];

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof Notes.options>,
    @inject(RunControl) readonly control: RunControl,
  ) {
    made.push(this);
  }

  @On('iteration:end')
  note({ iteration, loss }: IterationEnd): void {
    if (iteration % this.config.every === 0) this.losses.push(loss);
  }
}
const made: Notes[] = [];

const settings: RunSettings = {
  precision: 'f32',
  data: { text: 'text.txt' },
  run: { dir: 'out' },
  train: { max_iters: 6 },
};

/** Returns options for the `debug` preset in a folder of its own, which is removed after the test. */
async function started(t: ExecutionContext, more: RunOptions = {}): Promise<Run> {
  const run = await createRun({ cwd: textFolder(t), presets: 'debug', config: settings, ...more });
  t.teardown(() => run.dispose());
  return run;
}

test.serial('options of a class with a schema are checked by the compiler and by the run', async (t) => {
  const refused = async (run: () => Promise<Run>): Promise<string> =>
    (await t.throwsAsync(run(), { instanceOf: UsageError })).message;
  const base = { cwd: textFolder(t), presets: 'debug', config: settings };
  // @ts-expect-error a number of iterations
  t.regex(await refused(() => createRun({ ...base, plugins: [[Notes, { every: 'day' }]] })), /every: expected number/);
  // @ts-expect-error it has no such option
  t.regex(await refused(() => createRun({ ...base, plugins: ['csv', [Notes, { often: 2 }]] })), /unknown key "often"/);
  // @ts-expect-error the same in a test run
  t.regex((await t.throwsAsync(testRun({ plugins: [[Notes, { often: 2 }]] }))).message, /unknown key "often"/);
});

test.serial('a run from code trains and returns where it ended and what it wrote', async (t) => {
  const run = await started(t);
  const seen: number[] = [];
  run.on('iteration:end', ({ loss }) => {
    seen.push(loss);
  });
  const result = await run.train();
  t.is(result.status, 'done');
  t.is(result.iteration, 6);
  t.deepEqual(result.reasons, []);
  t.is(result.losses.train, seen[5] ?? NaN);
  t.true((result.losses.val ?? NaN) > 0);
  t.is(result.folder, run.folder.path);
  t.is(result.checkpoints.latest, path.join(run.folder.path, 'checkpoints', '000006'));
  t.true(existsSync(result.checkpoints.best ?? ''));
});

test.serial('a plugin can be given as a class, with checked options, or by name', async (t) => {
  made.length = 0;
  const run = await started(t, { plugins: [[Notes, { every: 2 }], 'csv'] });
  await run.train();
  t.is(made[0]?.losses.length, 3);
  t.true(existsSync(path.join(run.folder.path, 'metrics.csv')));
  t.regex(readFileSync(path.join(run.folder.path, 'config.yaml'), 'utf8'), /notes:\n\s+every: 2/);
  await run.dispose();
  await t.throwsAsync(started(t, { plugins: [[Notes, { every: 0 }]] }), {
    instanceOf: UsageError,
    code: 'ESP_CONFIG_VALUE',
    message: /^plugins\[0\]: key plugins\.notes\.every: /,
  });
  const named = await started(t, { config: { ...settings, plugins: { notes: { every: 3 } } }, plugins: [Notes] });
  await named.train();
  t.is(made.at(-1)?.losses.length, 2);
});

test.serial(
  'stop() ends the run after the iteration; resumed, it gives the same result as an uninterrupted run',
  async (t) => {
    const whole = await started(t);
    const { losses } = await whole.train();
    await whole.dispose();
    const cwd = textFolder(t);
    const run = await started(t, { cwd });
    run.on('iteration:end', ({ iteration }) => {
      if (iteration === 2) run.stop('seen enough');
    });
    const stopped = await run.train();
    t.like(stopped, { status: 'stopped', reasons: ['seen enough'], iteration: 3, exitCode: 0 });
    await run.dispose();
    const resumed = await started(t, { cwd, resume: true });
    t.is(resumed.state.iteration, 3);
    const end = await resumed.train();
    t.like(end, { status: 'done', iteration: 6 });
    t.deepEqual(end.losses, losses);
  },
);

test.serial('two simultaneous runs share one engine; another engine is refused, naming both', async (t) => {
  const seeds = [1, 2];
  const alone: unknown[] = [];
  for (const seed of seeds) {
    const run = await started(t, { config: { ...settings, seed } });
    alone.push((await run.train()).losses);
    await run.dispose();
  }
  const runs = await Promise.all(seeds.map((seed) => started(t, { config: { ...settings, seed } })));
  const engine = runs[0]?.explain().find(({ path: key }) => key === 'engine.use');
  t.is(engine?.value, 'auto');
  const results = await Promise.all(runs.map((run) => run.train()));
  t.deepEqual(
    results.map(({ losses }) => losses),
    alone,
  );
  await t.throwsAsync(started(t, { config: { ...settings, engine: 'cpu' } }), {
    code: 'ESP_ENGINE_IN_USE',
    message: /computes with engine \w+, and this one asks for cpu: /,
  });
  for (const run of runs) await run.dispose();
  const other = await started(t, { config: { ...settings, engine: 'cpu' } });
  t.is(other.state.iteration, 0);
});

test.serial('a run from code throws the command’s errors', async (t) => {
  const cwd = textFolder(t);
  const cases = [
    ['batches=rnadom'],
    ['train.max_iter=3', 'seed=1.5'],
    ['data.text=none.txt'],
    ['resume=nowhere'],
    ['engine=abacus'],
  ];
  for (const set of cases) {
    const all = ['data.text=text.txt', ...set];
    const thrown: unknown = await createRun({ cwd, presets: 'debug', set: all }).catch((error: unknown) => error);
    t.true(thrown instanceof UsageError);
    if (!(thrown instanceof UsageError)) continue;
    const args = ['--preset', 'debug', ...all.flatMap((each) => ['--set', each])];
    const { code, err } = await espalier(cwd, 'train', ...args);
    t.is(code, 2);
    t.true(err.includes(`espalier: ${thrown.message} [${thrown.code}]`), `${thrown.message}\n${err}`);
  }
  await t.throwsAsync(started(t, { config: { ...settings, batches: { strategy: 'rnadom' } } }), {
    code: 'ESP_PLUGIN_NOT_FOUND',
    message: /^config: key batches\.strategy: unknown batch strategy "rnadom"/,
  });
});

test.serial('an error thrown by a listener ends the run, and train() rethrows it', async (t) => {
  const run = await started(t);
  run.on('iteration:end', () => {
    throw new Error('boom');
  });
  await t.throwsAsync(run.train(), { message: 'boom' });
});

test.serial('a run from code prints nothing and handles no signals', async (t) => {
  const listening = (): number[] => [...stopSignals, 'SIGUSR1'].map((signal) => process.listenerCount(signal));
  const before = listening();
  const written: unknown[] = [];
  const lines: string[] = [];
  const streams = [process.stdout, process.stderr];
  for (const stream of streams) Reflect.set(stream, 'write', (text: unknown) => written.push(text) > 0);
  try {
    const run = await started(t, { log: (_, line) => lines.push(line) });
    t.deepEqual(listening(), before);
    run.on('iteration:end', () => {
      t.deepEqual(listening(), before);
    });
    await run.train();
    await run.dispose();
  } finally {
    for (const stream of streams) Reflect.deleteProperty(stream, 'write');
  }
  t.deepEqual(written, []);
  t.true(lines.length > 0);
});
