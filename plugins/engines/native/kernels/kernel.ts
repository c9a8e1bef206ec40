import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Attributes, KernelInputs } from '../../../ops/contract.js';
import type { NativeBackend } from '../backend.js';

/** A kernel that hands its work to the addon; undefined: the cpu backend's own kernel serves this call. */
export interface NativeKernel {
  readonly name: string;
  /**
   * It does more than to call the addon with whole arrays of its tensors, and with values that hang on their shapes and
   * on the attributes alone: running it again is more than making the same calls.
   */
  readonly isMoreThanCalls?: boolean;
  readonly compute: (
    inputs: KernelInputs,
    attributes: Attributes,
    backend: NativeBackend,
  ) => TensorInfo | TensorInfo[] | undefined;
}

/** All axes but the last as one, and the last. */
export function rowsAndColumns(shape: readonly number[]): [rows: number, columns: number] {
  return [sizeOf(shape.slice(0, -1)), shape.at(-1) ?? 1];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
