import { formatDuration } from './format.js';

/** Distances between ticks of a time axis, in seconds: a clock's steps instead of powers of ten. */
export const TIME_STEPS: number[] = [
  ...[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => 60 * minutes),
  ...[1, 2, 3, 6, 12].map((hours) => 3600 * hours),
  ...[1, 2, 5, 10, 20, 50].map((days) => 86_400 * days),
];

/** Ticks of larger ratios are a log scale's, which has many sizes. */
const MOST_RATIO = 50;
/** Numbers this small are shown as powers of ten, if their distance is, too. */
const SMALL = 0.01;
const SMALL_STEP = 0.001;
const UNITS: readonly (readonly [number, string])[] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e4, 'k'],
];

/**
 * Formats the numbers of an axis, which has little room: in one unit, with the digits that tell them apart (`0`, `2.5k`,
 * `5k`). Those of a log scale each have their own.
 * @param ticks ascending
 */
export function formatTicks(ticks: readonly number[]): string[] {
  const sizes = ticks.map(Math.abs).filter((size) => size > 0);
  const largest = Math.max(...sizes);
  if (sizes.length < 2 || largest / Math.min(...sizes) > MOST_RATIO) return ticks.map(formatTick);
  const step = Math.min(...ticks.slice(1).map((tick, at) => tick - (ticks[at] ?? tick)));
  // The step is not exact.
  if (largest >= 1e12 || (largest <= SMALL && step < 0.999 * SMALL_STEP)) return ticks.map(asPower);
  const [by, suffix] = unitOf(largest);
  const digits = Math.max(0, -Math.floor(Math.log10(step / by)) + 1);
  return ticks.map((tick) => scaled(tick, by, suffix, digits));
}

/**
 * Returns the ticks of a log scale: within a decade at equal distances, else at powers of ten and, of few, between them.
 * @param room for about this many
 */
export function logTicks(min: number, max: number, room: number): number[] {
  const decades = Math.log10(max / min);
  if (decades < 1) return linearTicks(min, max, room);
  const parts = 4 * decades <= room ? [1, 2, 5] : 2 * decades <= room ? [1, 3] : [1];
  const stride = Math.ceil(decades / room);
  const first = stride * Math.floor(Math.log10(min) / stride);
  const powers = Array.from({ length: Math.ceil(decades / stride) + 2 }, (_, at) => first + stride * at);
  return powers
    .flatMap((power) => parts.map((part) => part * 10 ** power))
    .filter((tick) => tick >= min && tick <= max);
}

function linearTicks(min: number, max: number, room: number): number[] {
  const least = (max - min) / room;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = ([1, 2, 5].find((part) => part * power >= least) ?? 10) * power;
  const first = Math.ceil(min / step);
  return Array.from({ length: Math.floor(max / step) - first + 1 }, (_, at) => (first + at) * step);
}

/** Formats a number of an axis on its own: `1.2M`, `300k`. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e12 || (size > 0 && size < SMALL_STEP)) return asPower(value);
  const [by, suffix] = unitOf(size);
  return `${String(Number((value / by).toPrecision(4)))}${suffix}`;
}

/** Formats seconds: `1 min 30 s`, `2 h`. */
export function formatTimeTick(seconds: number): string {
  return formatDuration(seconds).replace(/ 00 (s|min|h)$/, '');
}

function unitOf(size: number): readonly [number, string] {
  const [by, suffix] = UNITS.find(([least]) => size >= least) ?? [1, ''];
  return suffix === 'k' ? [1e3, suffix] : [by, suffix];
}

function scaled(value: number, by: number, suffix: string, digits: number): string {
  const text = String(Number((value / by).toFixed(Math.min(20, digits))));
  return value === 0 ? '0' : `${text}${suffix}`;
}

function asPower(value: number): string {
  return value === 0 ? '0' : Number(value.toPrecision(6)).toExponential();
}
