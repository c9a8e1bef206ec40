import type { Activation } from '../../../ops/contract.js';
import type { Floats, Optional, ProductSizes } from './types.js';

/** Added to a product: bias [n] to every row, residual [m, n]. */
type Added = [bias: Optional<Floats>, residual: Optional<Floats>];

/** Matrix products; with `bf16`, operands are rounded to bfloat16. See src/product_calls.cc. */
export interface ProductCalls {
  /**
   * y [m, n] = a · b (+ bias [n]) (+ residual [m, n]); a [m, k] or, transposed, [k, m]; b [k, n] or [n, k].
   * `activationOfA` is applied to a first. With `slopeAt` [m, n], the result is multiplied by the derivative of the
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
  /** The same for few rows of a: each row's result does not depend on the number of rows. */
  rowProduct(
    ...call: [
      ...[...ProductSizes, transposeB: boolean, bf16: boolean, activationOfA: Optional<Activation>],
      ...[a: Floats, b: Floats, ...Added, y: Floats],
    ]
  ): void;
  /** Packs b [k, n] or, transposed, [n, k] to bfloat16, for this variant's `keptProduct`. */
  keepMatrix(n: number, k: number, transposeB: boolean, b: Floats): ArrayBuffer;
  /** Like `rowProduct`, with a packed matrix. */
  keptProduct(
    ...call: [
      ...[...ProductSizes, activationOfA: Optional<Activation>],
      ...[a: Floats, kept: ArrayBuffer, ...Added, y: Floats],
    ]
  ): void;
  /** y [batches, m, n]: like `matrixProduct`, for the matrices of a and b that each batch selects. */
  batchedProduct(
    ...call: [
      ...[batches: number, ...ProductSizes, transposeA: boolean, transposeB: boolean, bf16: boolean],
      ...[matricesOfA: number, matricesOfB: number, ofA: Int32Array, ofB: Int32Array],
      ...[a: Floats, b: Floats, bias: Optional<Floats>, y: Floats],
    ]
  ): void;
}
