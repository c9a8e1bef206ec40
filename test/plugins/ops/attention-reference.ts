import type { DropoutMask } from '../../../core/index.js';
import { Attributes } from '../../../plugins/ops/contract.js';
import { dropoutFactors, maskAttributes } from '../../../plugins/ops/operations/dropout.js';
import fc from '../../property.js';
import { maskOf, normals } from './cases.js';

/** Attention of one random size, as plain numbers. */
export interface Attended {
  readonly batch: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly time: number;
  readonly part: number;
  readonly qkv: Float32Array;
  readonly dy: Float32Array;
  /** Lengths of each row's documents. */
  readonly lengths: readonly (readonly number[])[];
  readonly documents: Int32Array;
  readonly mask: DropoutMask | undefined;
}

/** Lengths at which the kernels' blocks of queries, panels of keys and vectors end, and 1. */
const EDGES = [1, 2, 8, 16, 24, 30, 32, 48, 56, 64] as const;

export const attended: fc.Arbitrary<Attended> = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    keyValueHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 3 }),
    time: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 60, max: 200 })),
    part: fc.integer({ min: 1, max: 19 }),
    seed: fc.nat(),
    rate: fc.constantFrom(0, 0.2),
  })
  .map(({ group, ...sizes }) => ({ ...sizes, heads: group * sizes.keyValueHeads }))
  .chain((sizes) => {
    const length = fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 1, max: sizes.time }));
    const row = fc.array(length, { minLength: 1, maxLength: 8 }).map((lengths) => filling(lengths, sizes.time));
    return fc
      .array(row, { minLength: sizes.batch, maxLength: sizes.batch })
      .map((lengths) => attendedOf(sizes, lengths));
  });

interface Sizes extends Pick<Attended, 'batch' | 'heads' | 'keyValueHeads' | 'time' | 'part'> {
  readonly seed: number;
  readonly rate: number;
}

export function attendedOf({ seed, rate, ...sizes }: Sizes, lengths: readonly (readonly number[])[]): Attended {
  const { batch, heads, keyValueHeads, time, part } = sizes;
  const [qkv, dy] = normals(seed, [batch, time, (heads + 2 * keyValueHeads) * part], [batch, time, heads * part]);
  return {
    ...sizes,
    qkv: qkv!.values,
    dy: dy!.values,
    lengths,
    documents: Int32Array.from(lengths.flatMap(numbersOf)),
    mask: maskOf(rate, seed, heads * time * time),
  };
}

/** The same with each row's documents in reverse order. */
export function turned(drawn: Attended): Attended {
  const lengths = drawn.lengths.map((row) => row.toReversed());
  return { ...drawn, lengths, documents: Int32Array.from(lengths.flatMap(numbersOf)) };
}

/** Three numbers in turn, so that each recurs: a document is a run of equal numbers, not all with the same one. */
function numbersOf(lengths: readonly number[]): number[] {
  const numbers = [-7, 0, 2 ** 31 - 1];
  return lengths.flatMap((length, index) => Array.from({ length }, () => numbers[index % numbers.length] ?? 0));
}

/** Cut off at `time`; the last one takes the rest. */
function filling(lengths: readonly number[], time: number): number[] {
  const filled: number[] = [];
  let left = time;
  for (const length of lengths) {
    if (left > 0) filled.push(Math.min(length, left));
    left -= length;
  }
  if (left > 0) filled.push(left);
  return filled;
}

/** Computes attention in float64, row by row: y [batch, time, width] and the gradient of qkv. */
export function reference(drawn: Attended): [y: Float32Array, dqkv: Float32Array] {
  const { batch, heads, keyValueHeads, time, part, qkv, dy, lengths, mask } = drawn;
  const [width, row] = [heads * part, (heads + 2 * keyValueHeads) * part];
  const [y, dqkv] = [new Float64Array(dy.length), new Float64Array(qkv.length)];
  const size = batch * heads * time * time;
  const factors =
    mask === undefined
      ? new Float32Array(size).fill(1)
      : dropoutFactors(size, new Attributes(maskAttributes(mask, heads * time * time)));
  const dot = (a: Float32Array, i: number, b: Float32Array, j: number): number => {
    let sum = 0;
    for (let c = 0; c < part; c++) sum += a[i + c]! * b[j + c]!;
    return sum;
  };
  const add = (to: Float64Array, at: number, factor: number, from: Float32Array, i: number): void => {
    for (let c = 0; c < part; c++) to[at + c]! += factor * from[i + c]!;
  };
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const out = (i: number): number => (b * time + i) * width + h * part;
      const shared = Math.floor(h / (heads / keyValueHeads));
      const query = (i: number): number => (b * time + i) * row + h * part;
      const key = (i: number): number => (b * time + i) * row + width + shared * part;
      const value = (i: number): number => key(i) + keyValueHeads * part;
      let first = 0;
      for (const length of lengths[b]!) {
        for (let i = first; i < first + length; i++) {
          const seen = Array.from({ length: i + 1 - first }, (_, j) => first + j);
          const exponentials = seen.map((j) => Math.exp(dot(qkv, query(i), qkv, key(j)) / Math.sqrt(part)));
          const sum = exponentials.reduce((total, each) => total + each, 0);
          const weights = exponentials.map((each) => each / sum);
          const kept = seen.map((j) => factors[((b * heads + h) * time + i) * time + j]!);
          const dWeights = seen.map((j, at) => kept[at]! * dot(dy, out(i), qkv, value(j)));
          const mean = weights.reduce((total, weight, at) => total + weight * dWeights[at]!, 0);
          for (const [at, j] of seen.entries()) {
            const dropped = weights[at]! * kept[at]!;
            add(y, out(i), dropped, qkv, value(j));
            add(dqkv, value(j), dropped, dy, out(i));
            const slope = (weights[at]! * (dWeights[at]! - mean)) / Math.sqrt(part);
            add(dqkv, query(i), slope, qkv, key(j));
            add(dqkv, key(j), slope, qkv, query(i));
          }
        }
        first += length;
      }
    }
  }
  return [Float32Array.from(y), Float32Array.from(dqkv)];
}
