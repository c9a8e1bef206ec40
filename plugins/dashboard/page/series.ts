import type { Axis, Column, Line, SeriesAnswer, SeriesQuery } from './protocol.js';

/** The metric that the time axis is made from. */
export const CLOCK = 'time/elapsed_seconds';

/**
 * The lines of a chart: the part of a metric that is looked at, at the resolution that it is looked at with, so that
 * a million points are some thousands. Smoothing is done before points are left out.
 * @param clock the column of `time/elapsed_seconds`, for the time axis
 */
export function selectSeries(
  column: Column,
  clock: Column | undefined,
  { axis, from = -Infinity, to = Infinity, width, smoothing }: Omit<SeriesQuery, 'run' | 'metric'>,
): SeriesAnswer {
  const xs = axisValues(column, clock, axis);
  const values = numbersOf(column.values);
  // A neighbour on each side lets the lines reach the edges.
  const first = Math.max(0, firstFrom(xs, from) - 1);
  const end = Math.min(xs.length, firstFrom(xs, to) + 1);
  const lineOf = (ys: ArrayLike<number>): Line => {
    const picked = pickPoints(xs, ys, first, end, width);
    return { x: picked.map((at) => xs[at] ?? NaN), y: picked.map((at) => finite(ys[at])) };
  };
  return { raw: lineOf(values), smooth: smoothing > 0 ? lineOf(smoothed(values, smoothing)) : null };
}

/**
 * Places of the points that a line `width` pixels wide is drawn from: the lowest and the highest of each pixel column,
 * the first and the last; at most 2·width + 2, and all of them where they are no more than that.
 * A column of nothing but NaN keeps one, so that the gap is seen.
 * @param xs ascending
 */
export function pickPoints(
  xs: ArrayLike<number>,
  ys: ArrayLike<number | null>,
  first: number,
  end: number,
  width: number,
): number[] {
  const count = end - first;
  if (count <= 2 * width + 2) return Array.from({ length: Math.max(0, count) }, (_, index) => first + index);
  const low = xs[first] ?? 0;
  const span = (xs[end - 1] ?? 0) - low;
  const picked = [first];
  let pixel = -1;
  let at = first;
  while (at < end) {
    const start = at;
    const own = span > 0 ? Math.floor((((xs[at] ?? 0) - low) / span) * width) : width;
    // Each column once, whatever is rounded; the last takes the rest.
    pixel = Math.min(width - 1, Math.max(pixel + 1, own));
    const border = pixel === width - 1 ? Infinity : low + (span * (pixel + 1)) / width;
    let lowest = -1;
    let highest = -1;
    do {
      const y = ys[at] ?? NaN;
      if (lowest === -1 ? !Number.isNaN(y) : y < (ys[lowest] ?? NaN)) lowest = at;
      if (highest === -1 ? !Number.isNaN(y) : y > (ys[highest] ?? NaN)) highest = at;
      at++;
    } while (at < end && (xs[at] ?? 0) < border);
    const places = lowest === -1 ? [start] : [Math.min(lowest, highest), Math.max(lowest, highest)];
    for (const place of places) if (place > (picked.at(-1) ?? -1)) picked.push(place);
  }
  if (picked.at(-1) !== end - 1) picked.push(end - 1);
  return picked;
}

/**
 * Exponential moving average, divided by the weight that it has gathered (Adam's correction of its start,
 * arXiv:1412.6980): a constant stays what it is from the first point on. What is not finite is left out of it.
 * @param weight of what came before, 0 to below 1
 */
export function smoothed(values: ArrayLike<number>, weight: number): Float64Array {
  const out = new Float64Array(values.length);
  let sum = 0;
  let gathered = 0;
  for (let at = 0; at < out.length; at++) {
    const value = values[at] ?? NaN;
    if (Number.isFinite(value)) {
      sum = weight * sum + (1 - weight) * value;
      gathered = weight * gathered + (1 - weight);
    }
    out[at] = Number.isFinite(value) ? sum / gathered : NaN;
  }
  return out;
}

/** Where each point of a column stands on an axis. */
function axisValues({ iterations, tokens }: Column, clock: Column | undefined, axis: Axis): ArrayLike<number> {
  if (axis === 'iteration') return iterations;
  if (axis === 'tokens') return tokens;
  return secondsAt(iterations, clock);
}

/** Seconds of training until the end of a column: a process that goes on counts from 0 again. */
export function totalSeconds(clock: Column): number {
  return secondsAt(clock.iterations, clock).at(-1) ?? 0;
}

/** Training time at each of some iterations (ascending), between the clock's own points by straight lines. */
function secondsAt(iterations: ArrayLike<number>, clock: Column | undefined): Float64Array {
  const out = new Float64Array(iterations.length);
  if (clock === undefined || clock.values.length === 0) return out;
  let before = { iteration: 0, seconds: 0 };
  let after = before;
  let next = 0;
  let offset = 0;
  for (let at = 0; at < out.length; at++) {
    const iteration = iterations[at] ?? 0;
    while (after.iteration < iteration && next < clock.values.length) {
      const own = clock.values[next] ?? 0;
      if (next > 0 && own < (clock.values[next - 1] ?? 0)) offset += clock.values[next - 1] ?? 0;
      before = after;
      after = { iteration: clock.iterations[next] ?? 0, seconds: offset + own };
      next++;
    }
    const gap = after.iteration - before.iteration;
    const share = gap > 0 ? Math.min(1, (iteration - before.iteration) / gap) : 1;
    out[at] = before.seconds + share * (after.seconds - before.seconds);
  }
  return out;
}

/** The first place from which values are `least` or more. */
function firstFrom(ascending: ArrayLike<number>, least: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

function numbersOf(values: Column['values']): Float64Array {
  return values instanceof Float64Array ? values : Float64Array.from(values, (value) => value ?? NaN);
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** The slider is finer towards 1, where it matters: at 0.5 of its way the weight is 0.9, at its end 0.999. */
export function weightAt(slider: number): number {
  return slider <= 0 ? 0 : 1 - 10 ** (-3 * Math.min(1, slider) ** 1.585);
}

export function sliderAt(weight: number): number {
  return weight <= 0 ? 0 : (-Math.log10(1 - weight) / 3) ** (1 / 1.585);
}
