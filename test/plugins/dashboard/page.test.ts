import test from 'ava';
import fc from '../../property.js';
import { cardLines, valueNear } from '../../../plugins/dashboard/page/card-lines.js';
import { formatDuration, formatNumber, formatTick, formatValue } from '../../../plugins/dashboard/page/format.js';
import { chartSections } from '../../../plugins/dashboard/page/groups.js';
import { nameOf } from '../../../plugins/dashboard/page/metric-names.js';
import type { MetricSummary, RunSummary } from '../../../plugins/dashboard/page/protocol.js';
import { sliderAt, weightAt } from '../../../plugins/dashboard/page/series.js';

function metric(name: string, unit = ''): MetricSummary {
  return { name, unit, what: '', points: 3, last: 1, mean: 1, min: 0, max: 2 };
}

function run(name: string, ...metrics: string[]): RunSummary {
  return {
    name,
    status: 'done',
    reasons: [],
    iteration: 3,
    maxIters: 3,
    tokens: 30,
    seconds: 1,
    metrics: metrics.map((each) => metric(each)),
    detailsVersion: 0,
  };
}

test('training charts come first, losses share one, then a section follows for each subject', (t) => {
  const names = ['val/loss', 'lr', 'train/loss', 'mine', 'analysis/rank/h.0', 'analysis/rank/h.1', 'analysis/drift'];
  const timing = ['timing/plugin/a', 'timing/plugin/b', 'timing/forward', 'time/elapsed_seconds', 'time/iteration_ms'];
  const sections = chartSections([...names, ...timing].map((name) => metric(name)));
  t.deepEqual(
    sections.map(({ title, charts }) => [
      title,
      ...charts.map((chart) => `${chart.title}: ${chart.metrics.join(' ')}`),
    ]),
    [
      ['Training', 'Loss: train/loss val/loss', 'Learning rate: lr', 'Mine: mine'],
      ['Analysis', 'Drift: analysis/drift', 'Rank: analysis/rank/h.0 analysis/rank/h.1'],
      [
        'Time',
        'Time per iteration: time/iteration_ms',
        'Time by section: timing/forward',
        'Share of iteration time by plugin: timing/plugin/a timing/plugin/b',
      ],
    ],
  );
});

test('loss terms, named validation sets and evaluators have sections of their own', (t) => {
  const names = [
    'train/loss',
    'train/z_loss',
    'val/loss',
    'val/loss/wiki',
    'val/loss/code',
    'val/perplexity',
    'val/perplexity/wiki',
    'hellaswag/accuracy',
    'hellaswag/accuracy_norm',
  ];
  t.deepEqual(
    chartSections(names.map((name) => metric(name))).map(({ title, charts }) => [
      title,
      ...charts.map((chart) => `${chart.title}: ${chart.metrics.join(' ')}`),
    ]),
    [
      ['Training', 'Loss: train/loss val/loss'],
      ['Loss terms', 'Z-loss: train/z_loss'],
      ['Validation sets', 'Loss: val/loss/code val/loss/wiki', 'Perplexity: val/perplexity/wiki'],
      ['Evaluators', 'hellaswag: hellaswag/accuracy hellaswag/accuracy_norm', 'Perplexity: val/perplexity'],
    ],
  );
});

test('tables name metrics as people say them', (t) => {
  const named: [string, string][] = [
    ['train/loss', 'Training loss'],
    ['throughput/tokens_per_second', 'Tokens per second'],
    ['lr', 'Learning rate'],
    ['mine', 'Mine'],
    ['val/loss/wiki', 'Validation sets: Loss, wiki'],
    ['analysis/rank/query/layer_0', 'Analysis: Rank, Query · layer 0'],
    ['timing/plugin/progress', 'Time: Share of iteration time by plugin, progress'],
  ];
  for (const [name, shown] of named) t.is(nameOf(name), shown);
});

test('metrics of one subject in several units have a chart for each unit', (t) => {
  const sections = chartSections([
    metric('analysis/attention/entropy', 'nats'),
    metric('analysis/attention/entropy_normalised', 'share'),
    metric('analysis/embedding/tokens', 'tokens'),
    metric('analysis/embedding/cosine_mean'),
  ]);
  t.deepEqual(
    sections.flatMap(({ charts }) => charts.map(({ title, unit }) => [title, unit])),
    [
      ['Attention', 'nats'],
      ['Attention', 'share'],
      ['Embedding', ''],
      ['Embedding', 'tokens'],
    ],
  );
});

test('a chart with too many lines is divided by the next part of their names', (t) => {
  const names = ['key', 'query', 'value'].flatMap((part) => [
    `analysis/rank/${part}`,
    ...[0, 1, 2].map((layer) => `analysis/rank/${part}/layer_${String(layer)}`),
  ]);
  t.deepEqual(
    chartSections(names.map((name) => metric(name))).flatMap(({ charts }) => charts.map(({ title }) => title)),
    ['Rank · Key', 'Rank · Query', 'Rank · Value'],
  );
  const plugins = Array.from({ length: 9 }, (_, i) => metric(`timing/plugin/p${String(i)}`));
  t.deepEqual(
    chartSections(plugins).flatMap(({ charts }) => charts.map(({ title }) => title)),
    ['Share of iteration time by plugin', 'Share of iteration time by plugin (2)'],
  );
});

test('every metric is in exactly one chart of at most eight lines, and ids are unique', (t) => {
  const name = fc.array(fc.constantFrom('a', 'b', 'timing', 'plugin', 'x'), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.uniqueArray(
        name.map((parts) => parts.join('/')),
        { maxLength: 60 },
      ),
      (names) => {
        const charts = chartSections(names.map((each) => metric(each))).flatMap((section) => section.charts);
        t.deepEqual(charts.flatMap(({ metrics }) => metrics).sort(), [...names].sort());
        t.true(charts.every(({ metrics }) => metrics.length <= 8));
        t.is(new Set(charts.map(({ id }) => id)).size, charts.length);
      },
    ),
  );
});

test('with one run each metric has a colour; with several each run has one, and dashes tell metrics apart', (t) => {
  const plan = { id: 'chart-loss', title: 'Loss', metrics: ['train/loss', 'val/loss'], unit: 'nats', what: '' };
  const a = { summary: run('a', 'train/loss', 'val/loss'), colour: 0 };
  const b = { summary: run('b', 'val/loss'), colour: 3 };
  const looks = (...runs: (typeof a)[]): [string, string, number][] =>
    cardLines(plan, runs).map(({ label, colour, dash }) => [label, colour, dash]);
  t.deepEqual(looks(a), [
    ['Training loss', '--line-0', 0],
    ['Validation loss', '--line-1', 0],
  ]);
  t.deepEqual(looks(a, b), [
    ['a · Training loss', '--line-0', 0],
    ['a · Validation loss', '--line-0', 1],
    ['b · Validation loss', '--line-3', 1],
  ]);
});

test('the value at the cursor is that of the nearest point', (t) => {
  const line = { x: [1, 5, 9], y: [10, null, 90] };
  t.deepEqual(
    [-3, 1, 2.9, 3.1, 6.9, 7.1, 13].map((place) => valueNear(line, place)),
    [10, 10, 10, null, null, 90, 90],
  );
  t.deepEqual(
    [-4, 14].map((place) => valueNear(line, place)),
    [null, null],
    'the line has ended',
  );
  t.is(valueNear({ x: [7], y: [1] }, 100), 1);
  t.is(valueNear({ x: [], y: [] }, 1), null);
});

test('numbers are formatted with four significant digits and their unit', (t) => {
  const written: [string, string][] = [
    [formatNumber(2.612345), '2.612'],
    [formatNumber(0.0123456), '0.01235'],
    [formatNumber(123456.7), '123,457'],
    [formatNumber(9.898e-4), '9.898e-4'],
    [formatNumber(1e-3), '0.001'],
    [formatNumber(0), '0'],
    [formatNumber(NaN), '–'],
    [formatNumber(null), '–'],
    [formatValue(0.213, 'share'), '21.3 %'],
    [formatValue(75, 's'), '1 min 15 s'],
    [formatValue(3, 'nats'), '3 nats'],
    [formatDuration(59.96), '1 min 00 s'],
    [formatDuration(3 * 3600 + 125), '3 h 02 min'],
    [formatDuration(100 * 3600), '4 d 04 h'],
    [formatTick(20_000), '20k'],
    [formatTick(5000), '5000'],
    [formatTick(1_250_000), '1.25M'],
    [formatTick(0.0005), '5e-4'],
  ];
  for (const [got, expected] of written) t.is(got, expected);
});

test('converting the smoothing slider to a weight and back returns its position', (t) => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      (slider) => Math.abs(sliderAt(weightAt(slider)) - slider) < 1e-6,
    ),
  );
  t.is(weightAt(0), 0);
  t.true(Math.abs(weightAt(1) - 0.999) < 1e-9);
});
