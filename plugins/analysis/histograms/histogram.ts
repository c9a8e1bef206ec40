import type { Histogram } from '../events.js';

/** Padding relative to the value, for large values to which adding 0.5 changes nothing. */
const RELATIVE_PAD = 2 ** -20;

export type Spread = Omit<Histogram, 'iteration' | 'name'>;

/**
 * Counts values in buckets of equal width from the smallest value to the largest, as numpy.histogram does: the last
 * bucket includes its upper edge, and if all values are equal the buckets span 0.5 to both sides. Non-finite values are
 * left out.
 * @param values 32-bit
 * @returns undefined if no value is finite
 */
export function histogramOf(values: ArrayLike<number>, buckets: number): Spread | undefined {
  const all = rangeOf(values);
  if (all === undefined) return undefined;
  const pad = all.min === all.max ? Math.max(0.5, Math.abs(all.min) * RELATIVE_PAD) : 0;
  const [min, max] = [all.min - pad, all.max + pad];
  const edges = Array.from({ length: buckets + 1 }, (_, i) =>
    i === buckets ? max : min + ((max - min) * i) / buckets,
  );
  const counts = new Array<number>(buckets).fill(0);
  const perWidth = buckets / (max - min);
  let sum = 0;
  let sumOfSquares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (!Number.isFinite(value)) continue;
    sum += value;
    sumOfSquares += value * value;
    let bucket = Math.min(buckets - 1, Math.floor((value - min) * perWidth));
    // The division may round to the bucket next to the right one: compare with the edges.
    if (value < (edges[bucket] ?? -Infinity)) bucket--;
    else if (bucket < buckets - 1 && value >= (edges[bucket + 1] ?? Infinity)) bucket++;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return { edges, counts, sum, sumOfSquares };
}

function rangeOf(values: ArrayLike<number>): { min: number; max: number } | undefined {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? { min, max } : undefined;
}
