import test from 'ava';
import fc from '../../property.js';
import { formatDifference } from '../../../plugins/dashboard/page/format.js';
import type { RunSummary } from '../../../plugins/dashboard/page/protocol.js';
import { columnsFor, matches, sortedRuns } from '../../../plugins/dashboard/page/run-columns.js';
import { RunLooks } from '../../../plugins/dashboard/page/run-looks.js';
import { firstSelection, inOrder } from '../../../plugins/dashboard/page/run-order.js';
import { differences } from '../../../plugins/dashboard/page/run-settings.js';
import { chosenIteration, samplesAt } from '../../../plugins/dashboard/page/samples.js';
import { FIRST_VIEW, hashOf, viewOfHash, type View } from '../../../plugins/dashboard/page/view.js';
import { settingsOf } from '../../../plugins/dashboard/server/settings.js';
import { summaryOf } from './summary.js';

function run(name: string, best: number | null, more: Partial<RunSummary> = {}): RunSummary {
  const loss = { name: 'val/loss', unit: 'nats', what: '', points: 2, last: best, mean: best, min: best, max: best };
  return summaryOf(name, { metrics: best === null ? [] : [loss], ...more });
}

function shownDifferences(...settings: Record<string, string>[]): [string, string, string[]][] {
  const names = settings.map((_, at) => String(at));
  const runs = settings.map((each, at) => ({ name: String(at), settings: each }));
  return differences(runs).map(({ key, title, values }) => [key, title, names.map((name) => values.get(name) ?? '–')]);
}

test('a config is flattened to keys as --set takes them; empty mappings are kept', (t) => {
  const plugins = { csv: {}, health: { every: null }, './my-plugin.ts': { above: 2 } };
  t.deepEqual(settingsOf({ seed: 1, plugins, data: { sets: [1, 'a'], text: 'x.txt' } }), {
    seed: '1',
    'plugins.csv': '{}',
    'plugins.health.every': 'null',
    'plugins."./my-plugin.ts".above': '2',
    'data.sets': '[1,"a"]',
    'data.text': 'x.txt',
  });
  for (const none of [undefined, null, 'text', [1], {}]) t.deepEqual(settingsOf(none), {});
});

test('only the values that differ are shown, under the shortest name that is unique', (t) => {
  const a = {
    seed: '1',
    'run.name': 'a',
    'optimizer.use': 'adamw',
    'optimizer.beta1': '0.9',
    'lr.min': '1',
    'a.min': '2',
  };
  const b = { seed: '1', 'run.name': 'b', 'optimizer.use': 'muon', 'lr.min': '0', 'a.min': '3' };
  t.deepEqual(shownDifferences(a, b), [
    ['optimizer.use', 'optimizer', ['adamw', 'muon']],
    ['lr.min', 'lr.min', ['1', '0']],
    ['a.min', 'a.min', ['2', '3']],
  ]);
  t.deepEqual(shownDifferences(a), []);
});

test('a plugin that only some runs have is one difference; its options count among the runs that have it', (t) => {
  t.deepEqual(
    shownDifferences(
      { 'plugins.ema.decay': '0.9', 'plugins.ema.every': '1', 'plugins.csv': 'false' },
      { 'plugins.ema.decay': '0.99', 'plugins.ema.every': '1' },
      { 'plugins.csv': '{}' },
    ),
    [
      ['plugins.ema', 'ema', ['on', 'on', '–']],
      ['plugins.ema.decay', 'decay', ['0.9', '0.99', '–']],
      ['plugins.csv', 'csv', ['–', '–', 'on']],
    ],
  );
});

test('a plugin given by its path is a plugin like any other', (t) => {
  const withPlugins = (plugins: Readonly<Record<string, unknown>>): Record<string, string> => settingsOf({ plugins });
  t.deepEqual(
    shownDifferences(
      withPlugins({ './mine.ts': { above: 1, say: 'a.b' }, './other.ts': { above: 1 } }),
      withPlugins({ './mine.ts': { above: 2, say: 'a.b' }, './other.ts': { above: 2 }, '"x".js': {} }),
      withPlugins({ './other.ts': { above: 3 } }),
    ),
    [
      ['plugins."./mine.ts"', '"./mine.ts"', ['on', 'on', '–']],
      ['plugins."./mine.ts".above', '"./mine.ts".above', ['1', '2', '–']],
      ['plugins."./other.ts".above', '"./other.ts".above', ['1', '2', '3']],
      [String.raw`plugins."\"x\".js"`, String.raw`"\"x\".js"`, ['–', 'on', '–']],
    ],
  );
});

test('a key is shown exactly if two runs that have it differ', (t) => {
  const settings = fc.dictionary(fc.constantFrom('a', 'b.c', 'b.d', 'e.c'), fc.constantFrom('1', '2'));
  fc.assert(
    fc.property(fc.array(settings, { maxLength: 5 }), (all) => {
      const shown = differences(all.map((each, at) => ({ name: String(at), settings: each })));
      const expected = ['a', 'b.c', 'b.d', 'e.c'].filter(
        (key) => new Set(all.flatMap((each) => each[key] ?? [])).size > 1,
      );
      t.deepEqual(shown.map(({ key }) => key).sort(), expected);
      t.is(new Set(shown.map(({ title }) => title)).size, shown.length);
    }),
  );
});

test('runs are sorted by value, those without one last; the difference is from the baseline', (t) => {
  const baseline = run('base', 2.5, { settings: { lr: '1e-3' } });
  const runs = [run('x', null, { settings: { lr: 'auto' } }), baseline, run('y', 2.25, { settings: { lr: '2e-4' } })];
  const columns = columnsFor(runs, baseline);
  const names = (sort: string): string =>
    sortedRuns(runs, columns, sort)
      .map(({ name }) => name)
      .join(' ');
  t.is(names('best'), 'y base x');
  t.is(names('-best'), 'base y x');
  t.is(names('-name'), 'y x base');
  t.is(names('lr'), 'y base x', 'as numbers, before texts');
  t.is(names('nonsense'), 'x base y');
  const difference = columns.find(({ key }) => key === 'difference');
  t.deepEqual(
    runs.map((each) => difference?.text(each)),
    ['–', 'baseline', '−0.2500'],
  );
  t.deepEqual([formatDifference(0.00001), formatDifference(0.5), formatDifference(null)], ['0', '+0.5000', '–']);
  t.is(
    columnsFor(runs, undefined).some(({ key }) => key === 'difference'),
    false,
  );
});

test('a filter finds words in names, states and values that differ', (t) => {
  const runs = [
    run('runs/Big-1', 1, { status: 'failed', settings: { 'optimizer.learning_rate': '0.001' } }),
    run('runs/small-2', 2, { settings: { 'optimizer.learning_rate': '0.01' } }),
  ];
  const columns = columnsFor(runs, undefined);
  const found = (filter: string): string[] =>
    runs.filter((each) => matches(each, columns, filter)).map(({ name }) => name);
  t.deepEqual(found(''), ['runs/Big-1', 'runs/small-2']);
  t.deepEqual(found(' big FAILED '), ['runs/Big-1']);
  t.deepEqual(found('learning_rate=0.001'), ['runs/Big-1']);
  t.deepEqual(found('optimizer.learning_rate=0.01'), ['runs/small-2']);
  t.deepEqual(found('big done'), []);
});

test('runs that train come first, then the newest; named runs are selected, else the first eight', (t) => {
  const runs = Array.from({ length: 10 }, (_, at) => run(`r${String(at)}`, 1, { started: `2026-01-0${String(at)}` }));
  const first = inOrder([run('none', 1), ...runs, run('trains', 1, { status: 'running', started: '2025' })]);
  t.deepEqual(
    first.map(({ name }) => name),
    ['trains', 'r9', 'r8', 'r7', 'r6', 'r5', 'r4', 'r3', 'r2', 'r1', 'r0', 'none'],
  );
  t.deepEqual(
    firstSelection(first),
    first.slice(0, 8).map(({ name }) => name),
  );
  t.deepEqual(firstSelection([...first, run('mine', 1, { named: true })]), ['mine']);
});

test('a run keeps its colour when others come, and colours follow the order of starts', (t) => {
  const looks = new RunLooks();
  const [a, b, c] = ['2026-02', '2026-01', '2026-03'].map((started, at) => run(`runs/x/${String(at)}`, 1, { started }));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three runs');
  looks.add([a, b]);
  t.deepEqual([looks.colour(a.name), looks.colour(b.name)], ['--line-1', '--line-0']);
  looks.add([c, a, b]);
  t.deepEqual(
    [a, b, c].map(({ name }) => looks.colour(name)),
    ['--line-1', '--line-0', '--line-2'],
  );
  t.is(looks.label(a.name), '0');
  looks.add([run('runs/y', 1)]);
  t.is(looks.label(a.name), 'x/0');
  looks.add([run('elsewhere', 1)]);
  t.is(looks.label(a.name), 'runs/x/0');
});

const sample = (iteration: number, prompt: string): { iteration: number; prompt: string; text: string } => ({
  iteration,
  prompt,
  text: `${prompt} at ${String(iteration)}`,
});

test('samples are those of the same iteration: the wanted one, else the newest that all runs have', (t) => {
  const long = { samples: [sample(30, 'b'), sample(30, 'a'), sample(20, 'a'), sample(10, 'a')] };
  const short = { samples: [sample(20, 'a'), sample(10, 'a')] };
  const without = { samples: [] };
  t.is(chosenIteration([long, short, without], undefined), 20);
  t.is(chosenIteration([long, short], 30), 30);
  t.is(chosenIteration([long, short], 31), 20, 'no run has it');
  t.is(chosenIteration([long, { samples: [sample(5, 'a')] }], undefined), 30, 'none that both have');
  t.is(chosenIteration([without], 3), undefined);
  t.deepEqual(samplesAt([long, short], 30), [
    { prompt: 'a', texts: ['a at 30', null] },
    { prompt: 'b', texts: ['b at 30', null] },
  ]);
});

test('the chosen iteration is one that all runs have, if there is such', (t) => {
  const samples = fc.array(
    fc.integer({ min: 0, max: 9 }).map((iteration) => sample(iteration, 'p')),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(
      fc.array(
        samples.map((each) => ({ samples: each })),
        { minLength: 1, maxLength: 4 },
      ),
      (runs) => {
        const chosen = chosenIteration(runs, undefined);
        const has = (run: (typeof runs)[number], at: number): boolean =>
          run.samples.some(({ iteration }) => iteration === at);
        const common = Array.from({ length: 10 }, (_, at) => at).filter((at) => runs.every((each) => has(each, at)));
        t.true(chosen !== undefined && runs.some((each) => has(each, chosen)));
        if (common.length > 0) t.is(chosen, common.at(-1));
      },
    ),
  );
});

test('a view is the same after its address was written and read', (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
  const view: fc.Arbitrary<View> = fc.record({
    axis: fc.constantFrom('iteration', 'tokens', 'time'),
    log: fc.boolean(),
    smoothing: fc.double({ min: 0, max: 0.999, noNaN: true }).map((value) => value + 0),
    sameScale: fc.boolean(),
    zoom: fc.option(
      fc
        .tuple(fc.double({ min: -1e9, max: 1e9, noNaN: true }), fc.double({ min: 1e-6, max: 1e9, noNaN: true }))
        .map(([from, length]): [number, number] => [from + 0, from + 0 + length])
        .filter(([from, to]) => from < to),
      { nil: undefined },
    ),
    runs: fc.option(fc.array(name, { maxLength: 4 }), { nil: undefined }),
    baseline: text,
    sort: text,
    filter: text,
    metrics: text,
    folded: fc.array(name, { maxLength: 3 }),
    details: text,
    sample: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(fc.property(view, (each) => t.deepEqual(viewOfHash(`#${hashOf(each)}`), each)));
  t.is(hashOf(FIRST_VIEW), '');
  t.deepEqual(viewOfHash(''), FIRST_VIEW);
  t.deepEqual(viewOfHash('#axis=sideways&smoothing=x&zoom=3~1&sample=-2&unknown=1'), FIRST_VIEW);
  t.is(hashOf({ ...FIRST_VIEW, runs: ['runs/a', 'b&c'], log: true }), 'run=runs/a&run=b%26c&log=true');
});
