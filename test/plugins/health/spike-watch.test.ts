import test from 'ava';
import fc from '../../property.js';
import { RunningMedian, SpikeWatch, watchState } from '../../../plugins/health/health/spike-watch.js';

const WINDOW = 5;
const limits = { times: 3, above: null, window: WINDOW };

/** The value that as many are below as above, without sorting. */
function median(values: readonly number[]): number {
  const below = (than: number): number => values.filter((value) => value < than).length;
  const above = (than: number): number => values.filter((value) => value > than).length;
  return values.find((value) => below(value) <= 2 && above(value) <= 2) ?? NaN;
}

const series = fc.array(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { maxLength: 30 });

test('a spike is a value above a multiple of the median of previous values, once there are enough', (t) => {
  fc.assert(
    fc.property(series, (values) => {
      const watch = new SpikeWatch('x', limits);
      values.forEach((value, at) => {
        const before = values.slice(Math.max(0, at - WINDOW), at);
        const expected = before.length === WINDOW && value / median(before) > limits.times;
        t.is(watch.look(value) !== undefined, expected, String(values.slice(0, at + 1)));
      });
    }),
  );
});

test('the median of a full window is that of its numbers, in any order and with duplicates', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: WINDOW, maxLength: 40 }), (values) => {
      const running = new RunningMedian(WINDOW);
      for (const value of values) running.add(value);
      t.deepEqual(running.values, values.slice(-WINDOW));
      t.is(running.median, median(values.slice(-WINDOW)));
    }),
  );
});

test('a watch restored from its state finds the same spikes', (t) => {
  fc.assert(
    fc.property(series, fc.nat(30), (values, stop) => {
      const whole = new SpikeWatch('x', limits);
      const found = values.map((value) => whole.look(value));
      const first = new SpikeWatch('x', limits);
      const parts = values.slice(0, stop).map((value) => first.look(value));
      const second = new SpikeWatch('x', limits);
      const state = first.state();
      second.restore(state === undefined ? undefined : watchState.parse(JSON.parse(JSON.stringify(state))));
      parts.push(...values.slice(stop).map((value) => second.look(value)));
      t.deepEqual(parts, found);
      t.deepEqual(second.state(), whole.state());
      t.is(second.takeHighest(), whole.takeHighest());
      t.is(second.takeHighest(), undefined);
    }),
  );
});

test('the absolute limit applies from the first value; non-finite values are reported and not stored', (t) => {
  const watch = new SpikeWatch('the norm', { times: 3, above: 10, window: 2 });
  t.is(watch.look(11), 'the norm 11.00 is over 10');
  t.is(watch.look(Infinity), 'the norm Infinity is over 10');
  t.is(watch.look(10), undefined);
  t.is(watch.look(42), 'the norm 42.00 is 4.0 times its running median 10.50');
  t.deepEqual(watch.state()?.values, [10, 42]);
});
