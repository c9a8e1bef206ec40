import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Activation } from '../../../ops/contract.js';
import type { NativeBackend } from '../backend.js';

/** Sizes of a product of few rows, and the work during which its matrix is constant. */
export interface FewRows {
  readonly session: object;
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly transpose: boolean;
}

/** Its tensors. */
export interface RowTensors {
  readonly x: TensorInfo;
  readonly matrix: TensorInfo;
  readonly y: TensorInfo;
  /** Activation applied to x first. */
  readonly activation?: Activation;
  readonly bias?: TensorInfo | undefined;
  readonly residual?: TensorInfo | undefined;
}

/** Matrices packed to bfloat16, by work and data. */
const kept = new WeakMap<object, WeakMap<object, ArrayBuffer>>();

/** Multiplies few rows; in bfloat16, by a matrix that is packed once and kept until the work ends. */
export function multiplyFewRows(
  backend: NativeBackend,
  { session, rows, inner, columns, transpose }: FewRows,
  { x, matrix, y, activation, bias, residual }: RowTensors,
): void {
  const floats = (tensor: TensorInfo | undefined): Float32Array | undefined =>
    tensor === undefined ? undefined : backend.floats(tensor);
  const { binding } = backend;
  const [a, b] = [backend.floats(x), backend.floats(matrix)];
  const rest = [floats(bias), floats(residual), backend.floats(y)] as const;
  if (!backend.bf16) {
    binding.rowProduct(rows, columns, inner, transpose, false, activation, a, b, ...rest);
    return;
  }
  const ofSession = kept.get(session) ?? new WeakMap<object, ArrayBuffer>();
  kept.set(session, ofSession);
  const packed = ofSession.get(matrix.dataId) ?? binding.keepMatrix(columns, inner, transpose, b);
  ofSession.set(matrix.dataId, packed);
  binding.keptProduct(rows, columns, inner, activation, a, packed, ...rest);
}
