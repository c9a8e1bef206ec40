import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Attributes, KernelInputs } from '../../ops/contract.js';
import type { Program } from './deferred/program.js';

/** A kernel that calls the addon; if it returns undefined, the cpu backend's own kernel serves the call. */
export interface Kernel<Backend> {
  readonly name: string;
  /**
   * True if replaying the addon's calls would not be enough to run it again: it does more than call the addon with
   * whole arrays of its tensors and values that depend only on shapes and attributes.
   */
  readonly isMoreThanCalls?: boolean;
  /** True if its work is deferred and recorded later, or if it only reshapes a tensor. */
  readonly isDeferred?: boolean;
  /** Names of other kernels whose work it does. */
  readonly parts?: ReadonlySet<string>;
  readonly compute: (
    inputs: KernelInputs,
    attributes: Attributes,
    backend: Backend,
  ) => TensorInfo | TensorInfo[] | undefined;
  /** Returns the result of a deferred call; undefined if the call cannot be deferred. */
  readonly defer?: (
    inputs: KernelInputs,
    attributes: Attributes,
    backend: Backend,
  ) => TensorInfo | TensorInfo[] | undefined;
}

/** Records what a backend runs. */
export interface KernelNotes<Backend> {
  /** A kernel has allocated memory. */
  allocated(tensor: TensorInfo): void;
  /** Data came from outside. */
  written(dataId: object, values: unknown, dtype: DataType): void;
  /** A tensor's values were read, so later operations may depend on them. */
  looked(): void;
  ran(kernel: Kernel<Backend>, inputs: KernelInputs, attributes: Attributes, outputs: readonly TensorInfo[]): void;
  /** Deferred elementwise kernels ran together. */
  ranProgram(program: Program): void;
  /** A kernel of the cpu backend ran. */
  ranOnCpu(inputs: KernelInputs, outputs: readonly TensorInfo[]): void;
}
