import type { Numbers } from '../numbers.js';
import type { Floats } from './types.js';

/** Elementwise operations. See src/elementwise_calls.cc. */
export interface ElementwiseCalls {
  /**
   * Runs elementwise operations in one pass over memory; see `Elementwise` in src/elementwise_calls.cc for the plan.
   * @param arrays the inputs, then the outputs
   */
  elementwise(plan: Int32Array, ...arrays: readonly Numbers[]): void;
  /** Names of the operations, indexed by their codes. */
  elementwiseNames(): string[];
  /** Names of the row operations, indexed by their codes. */
  rowStepNames(): string[];
  /** y [outer, inner] = a [outer, inner] + b [inner]. */
  add(...call: [outer: number, inner: number, a: Floats, b: Floats, y: Floats]): void;
  /** y = a + scale · b; y may be a. */
  addScaled(...call: [size: number, scale: number, a: Floats, b: Floats, y: Floats]): void;
  /** y = scale [1] · x; y may be x. */
  scale(...call: [size: number, scale: Floats, x: Floats, y: Floats]): void;
  /** x [outer, inner] → y [inner]. */
  sumOuter(...call: [outer: number, inner: number, x: Floats, y: Floats]): void;
}
