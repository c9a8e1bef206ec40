import test from 'ava';
import fc from '../../property.js';
import { cardLines, drawnLines, rangeOf, valueNear } from '../../../plugins/dashboard/page/card-lines.js';
import { rowsAt, spokenAt } from '../../../plugins/dashboard/page/cursor-values.js';
import { formatCount, formatDuration, formatNumber, formatValue } from '../../../plugins/dashboard/page/format.js';
import { chartSections } from '../../../plugins/dashboard/page/groups.js';
import { nameOf } from '../../../plugins/dashboard/page/metric-names.js';
import type { MetricSummary, RunSummary } from '../../../plugins/dashboard/page/protocol.js';
import { sliderAt, weightAt } from '../../../plugins/dashboard/page/series.js';
import { summaryOf } from './summary.js';

function metric(name: string, unit = ''): MetricSummary {
  return { name, unit, what: '', points: 3, last: 1, mean: 1, min: 0, max: 2 };
}

/** What a section shows: its title, then each chart's title and metrics; related charts under their group's title. */
function shown(names: readonly (string | MetricSummary)[]): string[][] {
  return chartSections(names.map((each) => (typeof each === 'string' ? metric(each) : each))).map(
    ({ title, groups }) => [
      title,
      ...groups.flatMap((group) =>
        group.charts.map((chart) => {
          const own = `${chart.title}: ${[chart.metric, ...(chart.context === undefined ? [] : [chart.context])].join(' ')}`;
          return group.charts.length === 1 ? own : `${group.title} | ${own}`;
        }),
      ),
    ],
  );
}

function run(name: string, ...metrics: string[]): RunSummary {
  return summaryOf(name, { metrics: metrics.map((each) => metric(each)) });
}

test('training charts come first, validation is drawn with training, then a section follows for each subject', (t) => {
  const names = ['val/loss', 'lr', 'train/loss', 'mine', 'analysis/rank/h.10', 'analysis/rank/h.9', 'analysis/drift'];
  const timing = ['timing/plugin/a', 'timing/plugin/b', 'timing/forward', 'time/elapsed_seconds', 'time/iteration_ms'];
  t.deepEqual(shown([...names, ...timing]), [
    ['Training', 'Loss: val/loss train/loss', 'Learning rate: lr', 'Mine: mine'],
    ['Analysis', 'Drift: analysis/drift', 'Rank | H.9: analysis/rank/h.9', 'Rank | H.10: analysis/rank/h.10'],
    [
      'Time',
      'Time per iteration: time/iteration_ms',
      'Time by section: timing/forward',
      'Share of iteration time by plugin | a: timing/plugin/a',
      'Share of iteration time by plugin | b: timing/plugin/b',
    ],
  ]);
});

test('loss terms, named validation sets and evaluators have sections of their own', (t) => {
  const names = [
    'train/loss',
    'train/z_loss',
    'val/loss/wiki',
    'val/loss/code',
    'val/perplexity',
    'val/perplexity/wiki',
    'hellaswag/accuracy',
    'hellaswag/accuracy_norm',
  ];
  t.deepEqual(shown(names), [
    ['Training', 'Loss: train/loss'],
    ['Loss terms', 'Z-loss: train/z_loss'],
    ['Validation sets', 'Loss | code: val/loss/code', 'Loss | wiki: val/loss/wiki', 'Perplexity: val/perplexity/wiki'],
    [
      'Evaluators',
      'hellaswag | Accuracy: hellaswag/accuracy',
      'hellaswag | Accuracy, mean per token: hellaswag/accuracy_norm',
      'Perplexity: val/perplexity',
    ],
  ]);
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

test('metrics of one subject are small multiples only of those with the same unit', (t) => {
  const sections = shown([
    metric('analysis/attention/entropy', 'nats'),
    metric('analysis/attention/entropy_normalised', 'share'),
    metric('analysis/embedding/a', 'tokens'),
    metric('analysis/embedding/a/deep', 'tokens'),
    metric('analysis/embedding/b/deep', 'tokens'),
  ]);
  t.deepEqual(sections, [
    [
      'Analysis',
      'Attention: analysis/attention/entropy',
      'Attention: analysis/attention/entropy_normalised',
      'Embedding | A: analysis/embedding/a',
      'Embedding | A · deep: analysis/embedding/a/deep',
      'Embedding | B · deep: analysis/embedding/b/deep',
    ],
  ]);
});

test('a large group is divided by the next part of their names, which the charts do not repeat', (t) => {
  const names = ['key', 'query', 'value'].flatMap((part) => [
    `analysis/rank/${part}`,
    ...[0, 1].map((layer) => `analysis/rank/${part}/layer_${String(layer)}`),
  ]);
  const [section = []] = shown(names);
  t.deepEqual(section.slice(1, 4), [
    'Rank · Key | All: analysis/rank/key',
    'Rank · Key | Layer 0: analysis/rank/key/layer_0',
    'Rank · Key | Layer 1: analysis/rank/key/layer_1',
  ]);
  t.is(section.length, 10);
});

test('every metric is in exactly one chart, and ids are unique', (t) => {
  const name = fc.array(fc.constantFrom('a', 'b', 'timing', 'plugin', 'x', 'train', 'val', 'loss'), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(
        name.map((parts) => parts.join('/')),
        { maxLength: 60 },
      ),
      (names) => {
        const charts = chartSections(names.map((each) => metric(each))).flatMap(({ groups }) =>
          groups.flatMap((group) => group.charts),
        );
        const drawn = charts.flatMap((chart) => [
          chart.metric,
          ...(chart.context === undefined ? [] : [chart.context]),
        ]);
        t.deepEqual(drawn.sort(), [...names].sort());
        t.is(new Set(charts.map(({ id }) => id)).size, charts.length);
      },
    ),
  );
});

test('a run has one colour, validation is solid and on top of training, the baseline is thickest and on top', (t) => {
  const plan = { id: 'c', title: 'Loss', metric: 'val/loss', context: 'train/loss', unit: 'nats', what: '' };
  const a = { summary: run('a', 'train/loss', 'val/loss'), label: 'a', colour: '--line-0', isBaseline: true };
  const b = { summary: run('b', 'val/loss'), label: 'b', colour: '--line-3', isBaseline: false };
  const lines = cardLines(plan, [a, b]);
  const answer = { raw: { x: [1], y: [1] }, smooth: { x: [1], y: [2] } };
  const looks = lines.map((line) => drawnLines(line, { ...answer, smooth: null }, 2));
  t.deepEqual(
    looks.flat().map(({ run: name, colour, dashed, width }) => [name, colour, dashed, width]),
    [
      ['a', '--line-0', true, 1.25],
      ['b', '--line-3', false, 1.75],
      ['a', '--line-0', false, 3.25],
    ],
  );
  const [context, main] = lines;
  const ys = (line: (typeof lines)[number] | undefined, runs: number): unknown =>
    line === undefined ? undefined : drawnLines(line, answer, runs).map(({ y, alpha }) => [...y, alpha < 0.5]);
  t.deepEqual(ys(main, 2), [
    [1, true],
    [2, false],
  ]);
  t.deepEqual(ys(main, 30), [[2, false]], 'many runs are drawn without the points behind');
  t.deepEqual(ys(context, 2), [[2, false]]);
});

test('related charts share the range of their metrics in the selected runs', (t) => {
  const wide = { ...run('a', 'x', 'y'), metrics: [metric('x'), { ...metric('y'), min: -3, max: null }] };
  const shownRun = { summary: wide, label: 'a', colour: '', isBaseline: false };
  t.deepEqual(rangeOf(['x', 'y'], [shownRun]), [-3, 2]);
  t.deepEqual(rangeOf(['x'], [shownRun]), [0, 2]);
  t.is(rangeOf(['z'], [shownRun]), undefined);
});

test('values at the cursor are those of each run and of its second metric, also in words', (t) => {
  const plan = { id: 'c', title: 'Loss', metric: 'val/loss', context: 'train/loss', unit: 'nats', what: '' };
  const lines = cardLines(plan, [
    { summary: run('a', 'train/loss', 'val/loss'), label: 'a', colour: '', isBaseline: false },
    { summary: run('b', 'train/loss'), label: 'b', colour: '', isBaseline: false },
  ]);
  const of: Record<string, number[]> = { 'a\nval/loss': [5, 4], 'a\ntrain/loss': [3, 2], 'b\ntrain/loss': [9, 8] };
  const data = {
    get: (key: string) => {
      const y = of[key];
      return y === undefined ? undefined : { raw: { x: [0, 10], y }, smooth: null };
    },
  };
  t.deepEqual(
    rowsAt(lines, data, 9).map(({ line, value, context }) => [line.run, value, context]),
    [
      ['a', 4, 2],
      ['b', null, 8],
    ],
  );
  t.is(
    spokenAt(lines, data, 10, 'iteration'),
    'iteration 10: a · Training loss 2, b · Training loss 8, a · Validation loss 4',
  );
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
    [formatCount(12_500), '12,500'],
    [formatCount(null), '–'],
    [formatNumber(null), '–'],
    [formatValue(0.213, 'share'), '21.3 %'],
    [formatValue(75, 's'), '1 min 15 s'],
    [formatValue(3, 'nats'), '3 nats'],
    [formatDuration(59.96), '1 min 00 s'],
    [formatDuration(3 * 3600 + 125), '3 h 02 min'],
    [formatDuration(100 * 3600), '4 d 04 h'],
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
