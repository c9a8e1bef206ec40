import test from 'ava';
import fc from '../../property.js';
import {
  formatTick,
  formatTicks,
  formatTimeTick,
  logTicks,
  TIME_STEPS,
} from '../../../plugins/dashboard/page/ticks.js';

test('the ticks of an axis have one unit, and the digits that tell them apart', (t) => {
  const written: [number[], string][] = [
    [[0, 2500, 5000, 7500, 10_000], '0 2.5k 5k 7.5k 10k'],
    [[0, 2000, 4000], '0 2000 4000'],
    [[0, 500_000, 1_000_000], '0 0.5M 1M'],
    [[0, 2.5e-4, 5e-4, 7.5e-4, 1e-3], '0 2.5e-4 5e-4 7.5e-4 1e-3'],
    [[0, 0.0025, 0.005], '0 0.0025 0.005'],
    [[0, 0.001, 0.002], '0 0.001 0.002'],
    [[0.008, 0.009, 0.01], '0.008 0.009 0.01'],
    [[-0.1, 0, 0.1 + 0.2], '-0.1 0 0.3'],
    [[3.1001, 3.1002], '3.1001 3.1002'],
    [[1_000_100, 1_000_200], '1.0001M 1.0002M'],
    [[0.01, 1, 100, 10_000], '0.01 1 100 10k'],
    [[7], '7'],
    [[], ''],
  ];
  for (const [ticks, expected] of written) t.is(formatTicks(ticks).join(' '), expected);
});

test('different ticks are different texts that mean the tick', (t) => {
  const multiplier: Readonly<Record<string, number>> = { k: 1e3, M: 1e6, G: 1e9 };
  const axis = fc.record({
    from: fc.integer({ min: -50, max: 5000 }),
    count: fc.integer({ min: 2, max: 12 }),
    step: fc.constantFrom(1, 2, 2.5, 5),
    power: fc.integer({ min: -9, max: 9 }),
  });
  fc.assert(
    fc.property(axis, ({ from, count, step, power }) => {
      const ticks = Array.from({ length: count }, (_, at) => (from + at) * step * 10 ** power);
      const texts = formatTicks(ticks);
      t.is(new Set(texts).size, count, texts.join(' '));
      for (const [at, text] of texts.entries()) {
        const value = Number(text.replace(/[kMG]$/, '')) * (multiplier[text.at(-1) ?? ''] ?? 1);
        t.true(Math.abs(value - (ticks[at] ?? NaN)) <= 0.1 * step * 10 ** power, `${text} for ${String(ticks[at])}`);
      }
    }),
  );
});

test('a log scale within a decade has equal steps, a longer one has powers of ten', (t) => {
  const written: [number, number, number, string][] = [
    [1.9, 3.5, 8, '2 2.2 2.4 2.6 2.8 3 3.2 3.4'],
    [1.9, 3.5, 4, '2 2.5 3 3.5'],
    [90, 5200, 8, '100 200 500 1000 2000 5000'],
    [90, 5200, 4, '100 300 1000 3000'],
    [8e-6, 0.011, 8, '1e-5 3e-5 1e-4 3e-4 0.001 0.003 0.01'],
    [8e-6, 0.011, 4, '1e-5 1e-4 0.001 0.01'],
  ];
  for (const [min, max, room, expected] of written) t.is(formatTicks(logTicks(min, max, room)).join(' '), expected);
});

test('any log scale has ticks, within it and ascending', (t) => {
  const place = fc.double({ min: -12, max: 12, noNaN: true });
  fc.assert(
    fc.property(place, fc.double({ min: 0.01, max: 20, noNaN: true }), fc.constantFrom(4, 8), (from, decades, room) => {
      const [min, max] = [10 ** from, 10 ** (from + decades)];
      const ticks = logTicks(min, max, room);
      t.true(ticks.length >= 1 && ticks.length <= 2 * room, String(ticks));
      t.true(ticks.every((tick, at) => tick >= min && tick <= max && (at === 0 || tick > (ticks[at - 1] ?? NaN))));
    }),
  );
});

test('a tick alone, as on a log scale', (t) => {
  t.deepEqual([20_000, 5000, 1_250_000, 0.0005, 2e13].map(formatTick), ['20k', '5000', '1.25M', '5e-4', '2e+13']);
});

test('a time axis has the steps of a clock', (t) => {
  t.deepEqual([30, 90, 120, 3600, 5400, 172_800].map(formatTimeTick), [
    '30 s',
    '1 min 30 s',
    '2 min',
    '1 h',
    '1 h 30 min',
    '2 d',
  ]);
  t.true(TIME_STEPS.every((step, at) => at === 0 || step > (TIME_STEPS[at - 1] ?? Infinity)));
});
