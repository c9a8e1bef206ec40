import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { EventBus, Logger, Sections, type Metrics } from '../../../core/index.js';
import { Account, total, type Times } from '../../../plugins/profiler/profiler/account.js';
import { sectionTotals, timeTree } from '../../../plugins/profiler/profiler/tree.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';

// The machine's peak is measured into a cache of its own.
const cache = mkdtempSync(path.join(tmpdir(), 'espalier-cache-'));
process.env['ESPALIER_CACHE'] = cache;
test.after.always(() => {
  rmSync(cache, { recursive: true, force: true });
});

const settings = [
  'train={max_iters: 8, batch_size: 2}',
  'model={n_layer: 1, n_embd: 8, n_head: 1, block_size: 8}',
  'plugins={evaluation: {interval: 4, iters: 2}, checkpoint: {interval: 4}, progress: {interval: 4}, run-log: false}',
];

/** A run of a tiny model with its files in `out`, disposed after the test. */
async function made(t: ExecutionContext, folder: string, ...set: string[]): Promise<TestRun> {
  const run = await testRun({ presets: ['debug'], cwd: folder, folder: path.join(folder, 'out'), set });
  t.teardown(() => run.dispose());
  return run;
}

async function trained(
  t: ExecutionContext,
  folder: string,
  ...set: string[]
): Promise<{ metrics: Metrics[]; lines: string[] }> {
  const { run } = await made(t, folder, ...settings, ...set);
  const metrics: Metrics[] = [];
  const lines: string[] = [];
  run.bus.on('metrics', (published) => metrics.push(published));
  run.container.resolve(Logger).addSink((level, line) => lines.push(`${level} ${line}`));
  await run.train();
  await run.dispose();
  return { metrics, lines };
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0);
}

/** Everything that the account says is somewhere. */
function everything({ sections, listeners, other }: Times): number {
  return total(sections) + sum([...listeners.values()].map(({ outside }) => outside)) + other;
}

test.serial(
  'every moment is counted once: in a section, in a listener outside of sections, or in the loop',
  async (t) => {
    const [bus, sections] = [new EventBus(), new Sections()];
    const spin = (): void => {
      for (const end = performance.now() + 0.2; performance.now() < end;);
    };
    bus.listen({ plugin: 'outer', event: 'iteration:start', critical: true }, async () => {
      spin();
      sections.measure('within', spin);
      await bus.dispatch('evaluation:start', { iteration: 0 });
    });
    bus.listen({ plugin: 'inner', event: 'evaluation:start', critical: true }, async () => {
      await sections.measure('a', async () => {
        spin();
        await Promise.resolve();
        sections.measure('b', spin);
      });
    });
    const account = new Account();
    const before = performance.now();
    const close = account.open(bus, sections);
    const from = performance.now();
    await bus.dispatch('iteration:start', { iteration: 0, learningRate: 0 });
    sections.measure('a', spin);
    spin();
    const to = performance.now();
    const { times } = account;
    const after = performance.now();
    const counted = everything(times);
    t.true(counted >= to - from && counted <= after - before, String(counted));
    t.deepEqual([...sectionTotals(times.sections).keys()], ['within', 'a', 'a/b']);
    const [outer, inner] = [...times.listeners.values()];
    const a = sectionTotals(times.sections).get('a') ?? NaN;
    t.true(outer !== undefined && inner !== undefined);
    // What `inner` does is its own, and not of the plugin that called it; its sections are in the tree.
    t.true(inner!.all > inner!.outside && inner!.all < a);
    t.true(outer!.all > outer!.outside && outer!.outside > 0);
    t.is(outer!.inIterations, outer!.all);
    close();
    sections.measure('later', spin);
    await bus.dispatch('iteration:start', { iteration: 1, learningRate: 0 });
    t.false(times.sections.children.has('later'));
  },
);

test.serial('background work may end out of order', (t) => {
  const [bus, sections] = [new EventBus(), new Sections()];
  const account = new Account();
  account.open(bus, sections);
  const [first, second] = [sections.begin('first'), sections.begin('second')];
  first();
  const third = sections.begin('third');
  second();
  third();
  sections.begin('fourth')();
  t.deepEqual(
    [...sectionTotals(account.times.sections).keys()],
    ['first', 'first/second', 'first/second/third', 'fourth'],
  );
});

test.serial(
  'a run publishes each section, each plugin’s share and mfu, and prints the time tree at the end',
  async (t) => {
    const folder = emptyFolder(t);
    const { metrics, lines } = await trained(t, folder, 'plugins.profiler={interval: 2, report_interval: 4}');
    const timings = metrics.filter(({ values }) => 'timing/forward' in values);
    t.deepEqual(
      timings.map(({ iteration }) => iteration),
      [2, 4, 6, 8],
    );
    for (const { values } of timings) {
      for (const name of ['data_loading', 'forward', 'backward', 'clipping', 'optimizer']) {
        t.true((values[`timing/${name}`] ?? NaN) > 0, name);
      }
      const shares = Object.entries(values).filter(([name]) => name.startsWith('timing/plugin/'));
      t.true(shares.length >= 4);
      t.true(shares.every(([, share]) => share >= 0 && share <= 1));
      t.true(sum(shares.map(([, share]) => share)) <= 1);
      t.true((values['mfu'] ?? NaN) > 0);
    }
    // An evaluation lies between iterations 4 and 5.
    t.true((timings[2]?.values['timing/evaluation'] ?? NaN) > 0);
    t.is(timings[3]?.values['timing/evaluation'], 0);

    const heads = lines.filter((line) => /info time of \d iterations: /.test(line));
    t.deepEqual(
      heads.map((line) => /of (\d)/.exec(line)?.[1]),
      ['4', '8', '8'],
    );
    const tree = lines.slice(lines.lastIndexOf(heads.at(-1) ?? '') + 1);
    const top = tree.flatMap((line) =>
      [...line.matchAll(/^info {3}\S.* ms +([\d.]+) %$/g)].map((match) => Number(match[1])),
    );
    t.true(Math.abs(sum(top) - 100) < 1, tree.join('\n'));
    t.true(tree.some((line) => /^info {3}clipping /.test(line)));
    t.true(tree.some((line) => /tokens\/s within iterations: .* of the peak of [\d.]+ GFLOP\/s \(MFU\)/.test(line)));
  },
);

/** What is kept in the cache of peaks, of the one engine that these runs use. */
function keptPeak(): { file: string; key: string; flops: number; busy: boolean } {
  const file = path.join(cache, 'espalier', 'peak-flops.json');
  const peaks = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number | { flops: number }>;
  const [[key, peak] = ['', NaN]] = Object.entries(peaks);
  const busy = typeof peak !== 'number';
  return { file, key, flops: busy ? peak.flops : peak, busy };
}

test.serial('a share over 100 % makes the peak be measured again and stored', async (t) => {
  const folder = emptyFolder(t);
  await trained(t, folder);
  const { file, key } = keptPeak();
  for (const [run, settings] of [
    ['second', ['plugins.profiler={interval: 2}']],
    // The report at the end is all that there is.
    ['third', ['plugins.profiler={interval: 100}']],
  ] as const) {
    writeFileSync(file, JSON.stringify({ [key]: 1000 }));
    const { metrics, lines } = await trained(t, folder, `run.dir=${run}`, ...settings);
    for (const { values } of metrics) t.true((values['mfu'] ?? 0) <= 1);
    const told = lines.filter((line) =>
      /reaches [\d.]+ % of the peak of 0\.0 GFLOP\/s, .* measured again, it is/.test(line),
    );
    t.is(told.length, 1);
    t.true(keptPeak().flops > 1e6);
    const [, share] = /([\d.]+) % of the peak of [\d.]+ GFLOP\/s \(MFU\)/.exec(lines.join('\n')) ?? [];
    t.true(Number(share) <= 100, share);
  }
});

test.serial('a peak measured on a busy machine is marked, and the next run measures it again', async (t) => {
  const folder = emptyFolder(t);
  await trained(t, folder);
  const { file, key } = keptPeak();
  writeFileSync(file, JSON.stringify({ [key]: { flops: 1000, busy: true } }));
  const { lines } = await trained(t, folder, 'run.dir=second');
  t.true(keptPeak().flops > 1e6);
  t.false(lines.some((line) => line.includes('measured again')));

  rmSync(file);
  const spinners = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'process.stdout.write("."); for (;;);'], { stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  t.teardown(() => {
    for (const each of spinners) each.kill('SIGKILL');
  });
  await Promise.all(spinners.map(({ stdout }) => once(stdout, 'data')));
  await trained(t, folder, 'run.dir=third');
  t.true(keptPeak().busy);
});

test.serial('the peak is measured once and stored for this machine and engine; mfu is a share of it', async (t) => {
  const folder = emptyFolder(t);
  await trained(t, folder);
  const file = path.join(cache, 'espalier', 'peak-flops.json');
  const { key } = keptPeak();
  t.regex(key, /cores; \w+: \S/);
  writeFileSync(file, JSON.stringify({ [key]: 1e24 }));
  const { metrics, lines } = await trained(t, folder, 'run.dir=second', 'plugins.profiler={interval: 2}');
  t.true(metrics.some(({ values }) => (values['mfu'] ?? NaN) < 1e-10));
  t.true(lines.some((line) => line.includes('1000000000000000.0 GFLOP/s (MFU)')));
  writeFileSync(file, 'no JSON');
  await trained(t, folder, 'run.dir=third');
  t.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')) as object), [key]);
  const { metrics: without } = await trained(t, folder, 'run.dir=fourth', 'plugins.profiler={interval: 2, mfu: false}');
  t.true(without.some(({ values }) => 'timing/forward' in values && !('mfu' in values)));
});

test.serial(
  'a plugin that takes much of the iterations is warned of once; evaluations and checkpoints are between them',
  async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(
      path.join(folder, 'slow.ts'),
      `import { On, Plugin, type GradientsReady, type IterationStart } from 'espalier';
@Plugin({ name: 'slow', summary: 'does nothing for a while' })
export default class Slow {
  private startedAt = 0;
  @On('iteration:start')
  start(_: IterationStart): void {
    this.startedAt = performance.now();
  }
  @On('gradients:ready')
  wait(_: GradientsReady): void {
    // Four times as long as the iteration so far.
    const end = 5 * performance.now() - 4 * this.startedAt;
    while (performance.now() < end);
  }
}
`,
    );
    const { lines } = await trained(
      t,
      folder,
      'plugins={"./slow.ts": {}, evaluation: {interval: 1}, profiler: {warn_window: 2, warn_above: 0.5}}',
    );
    const warnings = lines.filter((line) => line.startsWith('warn plugin slow '));
    t.is(warnings.length, 1, lines.join('\n'));
    t.regex(
      warnings[0] ?? '',
      /plugin slow takes [\d.]+ % of the loop's time \(iterations 1 to 2\), most of it at gradients:ready; the limit for this warning is 50\.0 %/,
    );
  },
);

test.serial('the time tree omits listeners that take almost no time, but never a section', (t) => {
  const clipping = { name: 'clipping', children: new Map(), own: 0.001 };
  const optimizer = { name: 'optimizer', children: new Map([['clipping', clipping]]), own: 9.999 };
  const registration = { plugin: 'big', event: 'iteration:end', critical: true } as const;
  const small = { ...registration, plugin: 'small' };
  const time = { event: 'iteration:end', all: 0, inIterations: 0 };
  const lines = timeTree(
    {
      sections: { name: '', children: new Map([['optimizer', optimizer]]), own: 0 },
      listeners: new Map([
        [small, { ...time, plugin: 'small', outside: 0.001 }],
        [registration, { ...time, plugin: 'big', outside: 79.999 }],
      ]),
      iterations: 0,
      other: 10,
    },
    10,
  );
  t.deepEqual(lines, [
    'time of 10 iterations: 0.10 s, 10.00 ms each',
    '  optimizer              1.000 ms   10.0 %',
    '    clipping             0.000 ms    0.0 %',
    '  plugins                8.000 ms   80.0 %',
    '    big                  8.000 ms   80.0 %',
    '      iteration:end      8.000 ms   80.0 %',
    '  loop itself            1.000 ms   10.0 %',
  ]);
});
