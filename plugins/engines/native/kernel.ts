import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Attributes, KernelInputs } from '../../ops/contract.js';
import type { Program } from './deferred/program.js';

/** A kernel that hands its work to the addon; undefined: the cpu backend's own kernel serves this call. */
export interface Kernel<Backend> {
  readonly name: string;
  /**
   * It does more than to call the addon with whole arrays of its tensors, and with values that depend on their shapes and
   * on the attributes alone: running it again is more than making the same calls.
   */
  readonly isMoreThanCalls?: boolean;
  /** What it does is done later, and noted then; or it does nothing but give a tensor another shape. */
  readonly isDeferred?: boolean;
  /** Other kernels that it does the work of. */
  readonly parts?: ReadonlySet<string>;
  readonly compute: (
    inputs: KernelInputs,
    attributes: Attributes,
    backend: Backend,
  ) => TensorInfo | TensorInfo[] | undefined;
  /** Its result, where what it does may be done later; undefined: this call is not of that kind. */
  readonly defer?: (
    inputs: KernelInputs,
    attributes: Attributes,
    backend: Backend,
  ) => TensorInfo | TensorInfo[] | undefined;
}

/** Takes notes of what a backend runs. */
export interface KernelNotes<Backend> {
  /** A kernel has asked for memory. */
  allocated(tensor: TensorInfo): void;
  /** Numbers came from outside. */
  written(dataId: object, values: unknown, dtype: DataType): void;
  /** A tensor's numbers were looked at: what was done since may depend on them. */
  looked(): void;
  ran(kernel: Kernel<Backend>, inputs: KernelInputs, attributes: Attributes, outputs: readonly TensorInfo[]): void;
  /** Elementwise kernels that were called before ran, together. */
  ranProgram(program: Program): void;
  /** A kernel of the cpu backend ran. */
  ranOnCpu(inputs: KernelInputs, outputs: readonly TensorInfo[]): void;
}
