import type { Axis, Column, Line, SeriesAnswer, SeriesQuery } from './protocol.js';

/** The metric that the time axis is computed from. */
export const CLOCK = 'time/elapsed_seconds';

/**
 * Returns the visible part of a metric at the resolution of the chart, so a million points become a few thousand.
 * Smooths before thinning.
 * @param clock column of `time/elapsed_seconds`, for the time axis
 */
export function selectSeries(
  column: Column,
  clock: Column | undefined,
  { axis, from = -Infinity, to = Infinity, width, smoothing }: Omit<SeriesQuery, 'runs' | 'metric'>,
): SeriesAnswer {
  const xs = axisValues(column, clock, axis);
  const values = numbersOf(column.values);
  // Include one neighbour on each side, so that lines reach the edges.
  const first = Math.max(0, firstFrom(xs, from) - 1);
  const end = Math.min(xs.length, firstFrom(xs, to) + 1);
  const lineOf = (ys: ArrayLike<number>): Line => {
    const picked = pickPoints(xs, ys, first, end, width);
    return { x: picked.map((at) => xs[at] ?? NaN), y: picked.map((at) => finite(ys[at])) };
  };
  return { raw: lineOf(values), smooth: smoothing > 0 ? lineOf(smoothed(values, smoothing)) : null };
}

/**
 * Returns the indices of the points needed to draw a line `width` pixels wide: the lowest and the highest of each pixel
 * column, the first and the last; at most 2·width + 2. Returns all points if there are no more than that. A column with
 * only NaN keeps one, which shows the gap.
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
    // Each column once, despite rounding; the last takes the rest.
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
 * Returns the exponential moving average with Adam's bias correction (arXiv:1412.6980), so a constant stays constant
 * from the first point. Non-finite values are skipped.
 * @param weight of previous values, 0 to below 1
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

/** Returns the positions of a column's points on an axis. */
function axisValues({ iterations, tokens }: Column, clock: Column | undefined, axis: Axis): ArrayLike<number> {
  if (axis === 'iteration') return iterations;
  if (axis === 'tokens') return tokens;
  return secondsAt(iterations, clock);
}

/** Returns the training time until the end of a column, in seconds; each process of a resumed run counts from 0. */
export function totalSeconds(clock: Column): number {
  return secondsAt(clock.iterations, clock).at(-1) ?? 0;
}

/** Returns the training time at each iteration (ascending), interpolated linearly between the clock's points. */
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

/** Returns the index of the first value that is at least `least`. */
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

/** Converts the slider's position to a weight. The slider is finer towards 1: its middle is 0.9, its end 0.999. */
export function weightAt(slider: number): number {
  return slider <= 0 ? 0 : 1 - 10 ** (-3 * Math.min(1, slider) ** 1.585);
}

export function sliderAt(weight: number): number {
  return weight <= 0 ? 0 : (-Math.log10(1 - weight) / 3) ** (1 / 1.585);
}
