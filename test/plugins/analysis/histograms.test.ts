import test from 'ava';
import fc from '../../property.js';
import type { Histogram } from '../../../plugins/analysis/contract.js';
import { histogramOf } from '../../../plugins/analysis/histograms/histogram.js';
import { testRun } from '../../../plugins/testing/contract.js';

test('each bucket counts finite values from its lower edge to below its upper edge; the last one includes it', (t) => {
  const values = fc.oneof(
    fc.array(fc.float()),
    fc.array(fc.integer({ min: -5, max: 5 })),
    fc.array(fc.float({ min: -1, max: 1, noNaN: true })),
  );
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 20 }), (all, buckets) => {
      const finite = all.filter(Number.isFinite);
      const histogram = histogramOf(all, buckets);
      if (histogram === undefined) {
        t.is(finite.length, 0);
        return;
      }
      const { edges, counts, sum, sumOfSquares } = histogram;
      t.is(edges.length, buckets + 1);
      t.is(counts.length, buckets);
      t.true(edges.every((edge, i) => i === 0 || edge >= (edges[i - 1] ?? NaN)));
      const [min, max] = [Math.min(...finite), Math.max(...finite)];
      if (min < max) t.true(edges[0] === min && edges.at(-1) === max);
      t.is(
        counts.reduce((total, count) => total + count, 0),
        finite.length,
      );
      t.deepEqual(
        counts,
        counts.map((_, i) => {
          const [from = NaN, to = NaN] = [edges[i], edges[i + 1]];
          return finite.filter((value) => value >= from && (i === buckets - 1 ? value <= to : value < to)).length;
        }),
      );
      t.is(
        sum,
        finite.reduce((total, value) => total + value, 0),
      );
      t.is(
        sumOfSquares,
        finite.reduce((total, value) => total + value * value, 0),
      );
    }),
  );
});

test('equal values are in the middle of a range of width 1, as in NumPy', (t) => {
  t.deepEqual(histogramOf([3, 3, 3], 4), {
    edges: [2.5, 2.75, 3, 3.25, 3.5],
    counts: [0, 0, 3, 0],
    sum: 9,
    sumOfSquares: 27,
  });
  t.is(histogramOf([3e38, 3e38], 1000)?.counts[500], 2);
  t.is(histogramOf([NaN, Infinity], 4), undefined);
  t.deepEqual(histogramOf([NaN, 1, 2], 1)?.counts, [2]);
});

test('histograms of weights and gradients are published at each interval and at the last iteration', async (t) => {
  await using made = await testRun({ iterations: 5, plugins: [['histograms', { interval: 2, buckets: 7 }]] });
  const { run } = made;
  const histograms: Histogram[] = [];
  const expected: Histogram[] = [];
  run.bus.on('histogram', (event) => histograms.push(event));
  const expect = (iteration: number, name: string, values: ArrayLike<number>): void => {
    const histogram = histogramOf(values, 7);
    if (histogram !== undefined && [2, 4, 5].includes(iteration)) expected.push({ iteration, name, ...histogram });
  };
  run.bus.on('gradients:ready', ({ iteration, gradients }) => {
    for (const [name, gradient] of gradients) expect(iteration + 1, `gradients/${name}`, gradient.dataSync());
  });
  run.bus.on('iteration:end', ({ iteration }) => {
    for (const [name, weight] of run.model.parameters()) expect(iteration + 1, `weights/${name}`, weight.dataSync());
  });
  await run.train();
  t.is(histograms.length, 3 * 2 * run.model.parameters().size);
  t.deepEqual(histograms, expected);
  const wte = histograms.find(({ name }) => name === 'weights/transformer.wte.weight');
  t.is(
    wte?.counts.reduce((sum, count) => sum + count, 0),
    run.model.parameters().get('transformer.wte.weight')?.size,
  );
});
