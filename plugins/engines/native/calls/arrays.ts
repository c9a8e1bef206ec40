import type { Numbers } from '../numbers.js';
import type { Floats, RowSizes } from './types.js';

/** Arguments after the ids: slices are read from x and written to y. */
type Slices = [ids: Int32Array, x: Numbers, y: Numbers];

/** TensorFlow.js's array kernels that are not elementwise. See src/array_calls.cc. */
export interface ArrayCalls {
  /**
   * Copies elements between layouts: the element of y at Σ coordinate · step in y is that of x at Σ coordinate · step
   * in x.
   * @param layout sizes, steps in x, steps in y (`rank` of each), offset in x, offset in y
   */
  copy(rank: number, layout: Int32Array, x: Numbers, y: Numbers): void;
  fill(size: number, value: number, y: Numbers): void;
  /** y [count, depth]: `on` at each of ids [count] within the depth, else `off`. */
  oneHot(...call: [count: number, depth: number, on: number, off: number, ids: Int32Array, y: Numbers]): void;
  /**
   * Reduces x [outer, size, inner], none of them 0, to y [outer, inner], and repeats with the next three sizes. A sum
   * of floats, or one that becomes floats, is multiplied by `scale`.
   */
  reduce(...call: [kind: number, steps: number, sizes: Int32Array, scale: number, x: Numbers, y: Numbers]): void;
  /** Softmax of each row of x [rows, columns]. */
  softmax(...call: [...RowSizes, x: Floats, y: Floats]): void;
  /** Running sums or products along the middle axis of x [outer, size, inner]. */
  running(
    ...call: [
      ...[isProduct: boolean, isExclusive: boolean, isReverse: boolean],
      ...[outer: number, size: number, inner: number, x: Numbers, y: Numbers],
    ]
  ): void;
  /** The k largest of each row of x [rows, columns]; the first of equal ones. */
  topK(...call: [...RowSizes, k: number, x: Numbers, values: Numbers, indices: Int32Array]): void;
  /** y [batch, outer, count, slice] = x [batch, outer, size, slice] at ids [batch, count]. */
  gather(...call: [...[batch: number, outer: number, size: number, count: number, slice: number], ...Slices]): void;
  /** y [count, slice]: slices of x [...sizes, slice] at ids [count, depth]. */
  gatherNd(...call: [count: number, depth: number, sizes: Int32Array, slice: number, ...Slices]): void;
  /** Adds slices of x [count, slice] to y [...sizes, slice], or writes them, at ids [count, depth]. */
  scatter(
    ...call: [
      ...[adds: boolean, leavesOutOthers: boolean],
      ...[count: number, depth: number, sizes: Int32Array, slice: number, ...Slices],
    ]
  ): void;
}
