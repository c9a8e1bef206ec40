import test from 'ava';
import fc from '../../property.js';
import type { Column, SeriesQuery } from '../../../plugins/dashboard/page/protocol.js';
import { pickPoints, selectSeries, smoothed, totalSeconds } from '../../../plugins/dashboard/page/series.js';
import { range } from './written-run.js';

const all = { axis: 'iteration', width: 100, smoothing: 0 } as const satisfies Partial<SeriesQuery>;

function column(iterations: number[], values: (number | null)[]): Column {
  return { iterations, values, tokens: iterations.map((iteration) => 10 * iteration) };
}

test('thinning keeps the ends and the extremes, in order, and at most two points a pixel', (t) => {
  const value = fc.oneof(fc.double({ noNaN: true }), fc.constant(NaN));
  const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), value), { minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(points, fc.integer({ min: 1, max: 40 }), (steps, width) => {
      let x = 0;
      const xs = steps.map(([step]) => (x += step));
      const ys = steps.map(([, y]) => y);
      const picked = pickPoints(xs, ys, 0, xs.length, width);
      const finite = ys.filter((y) => !Number.isNaN(y));
      const kept = picked.map((at) => ys[at] ?? NaN).filter((y) => !Number.isNaN(y));
      return (
        picked.length <= 2 * width + 2 &&
        picked[0] === 0 &&
        picked.at(-1) === xs.length - 1 &&
        picked.every((at, index) => index === 0 || at > (picked[index - 1] ?? 0)) &&
        Math.max(...kept) === Math.max(...finite) &&
        Math.min(...kept) === Math.min(...finite)
      );
    }),
  );
  t.deepEqual(pickPoints([1, 2, 3], [5, NaN, 7], 0, 3, 1), [0, 1, 2], 'a few points stay as they are');
});

test('a stretch of nothing but NaN is a gap in what is left', (t) => {
  const xs = range(0, 999);
  const ys = xs.map((x) => (x >= 400 && x < 600 ? NaN : x));
  const { raw } = selectSeries(column(xs, ys), undefined, { ...all, width: 50 });
  t.true(raw.y.some((y, at) => y === null && (raw.x[at] ?? 0) >= 400 && (raw.x[at] ?? 0) < 600));
  t.true(raw.y.every((y, at) => y === null || y === raw.x[at]));
});

test('a part of the axis is read at full resolution, with a neighbour on each side', (t) => {
  const xs = range(1, 100_000);
  const { raw } = selectSeries(column(xs, xs), undefined, { ...all, from: 500, to: 520 });
  t.deepEqual(raw.x, range(499, 520));
  const tokens = selectSeries(column(xs, xs), undefined, { ...all, axis: 'tokens', from: 5000, to: 5200 });
  t.deepEqual(
    tokens.raw.x,
    range(499, 520).map((x) => 10 * x),
  );
});

test('smoothing leaves a constant as it is, stays within the values, and passes over what is not finite', (t) => {
  const weight = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 }), weight, (values, w) => {
      const out = smoothed(values, w);
      const slack = 1e-6 * Math.max(...values.map(Math.abs), 1);
      return out.every((y) => y >= Math.min(...values) - slack && y <= Math.max(...values) + slack);
    }),
  );
  t.true(smoothed([3, 3, 3, 3], 0.99).every((y) => Math.abs(y - 3) < 1e-12));
  const gap = smoothed([1, NaN, 1, 2], 0.5);
  t.true(Number.isNaN(gap[1]));
  // (0.5·(0.5·1 + …)): weights 1/8, 1/4, 1/2 of 1, 1, 2 over their sum.
  t.true(Math.abs((gap[3] ?? 0) - (0.125 + 0.25 + 1) / 0.875) < 1e-12);
  t.deepEqual([...smoothed([1, 5, 2], 0)], [1, 5, 2]);
});

test('training time adds up over processes, and lies on straight lines between what was measured', (t) => {
  // The second process went on from iteration 20 and counts from 0 again.
  const clock = column([10, 20, 30, 40], [5, 10, 4, 8]);
  t.is(totalSeconds(clock), 18);
  const { raw } = selectSeries(column([5, 10, 25, 40, 45], [1, 2, 3, 4, 5]), clock, { ...all, axis: 'time' });
  t.deepEqual(raw.x, [2.5, 5, 12, 18, 18]);
});
