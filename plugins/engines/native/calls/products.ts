import type { Activation } from '../../../ops/contract.js';
import type { Floats, Optional, ProductSizes } from './types.js';

/** Added to a product: bias [n] to every row, residual [m, n]. */
type Added = [bias: Optional<Floats>, residual: Optional<Floats>];

/** Products of matrices. `bf16`: operands are rounded to bfloat16. See src/product_calls.cc. */
export interface ProductCalls {
  /**
   * y [m, n] = a · b (+ bias [n]) (+ residual [m, n]); a [m, k] or, transposed, [k, m]; b [k, n] or [n, k].
   * `activationOfA`: a stands for what this makes of it. `slopeAt` [m, n]: the result is multiplied by the slope of the
   * activation `slopeOf` there.
   */
  matrixProduct(
    ...call: [
      ...ProductSizes,
      ...[transposeA: boolean, transposeB: boolean, bf16: boolean],
      ...[activationOfA: Optional<Activation>, slopeOf: Optional<Activation>],
      ...[a: Floats, b: Floats, ...Added, slopeAt: Optional<Floats>, y: Floats],
    ]
  ): void;
  /** The same of few rows of a: what a row gives does not depend on their number. */
  rowProduct(
    ...call: [
      ...[...ProductSizes, transposeB: boolean, bf16: boolean, activationOfA: Optional<Activation>],
      ...[a: Floats, b: Floats, ...Added, y: Floats],
    ]
  ): void;
  /** b [k, n] or, transposed, [n, k] in bfloat16, laid out for `keptProduct` of this variant. */
  keepMatrix(n: number, k: number, transposeB: boolean, b: Floats): ArrayBuffer;
  /** As `rowProduct`, of a matrix that was kept. */
  keptProduct(
    ...call: [
      ...[...ProductSizes, activationOfA: Optional<Activation>],
      ...[a: Floats, kept: ArrayBuffer, ...Added, y: Floats],
    ]
  ): void;
  /** y [batches, m, n]: products of the matrices of a and of b that each batch names, as `matrixProduct` has them. */
  batchedProduct(
    ...call: [
      ...[batches: number, ...ProductSizes, transposeA: boolean, transposeB: boolean, bf16: boolean],
      ...[matricesOfA: number, matricesOfB: number, ofA: Int32Array, ofB: Int32Array],
      ...[a: Floats, b: Floats, bias: Optional<Floats>, y: Floats],
    ]
  ): void;
}
