import type { DataType } from '@tensorflow/tfjs-core';
import type { Numbers } from '../numbers.js';

/** How an operand is indexed: element i of the result reads the element at Σ coordinate of i in `sizes` · stride. */
export interface View {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

export interface Operand {
  readonly node: DataNode;
  /** Undefined: element i of the operand. */
  readonly view: View | undefined;
}

/** An elementwise operation, or one along rows. */
export interface Operation {
  /** The addon's code, among elementwise or row operations. */
  readonly code: number;
  /** For row operations: elements per row of the result; all operands have the same number of rows. */
  readonly along?: number;
  readonly operands: readonly Operand[];
  /** Name of TensorFlow.js's kernel. */
  readonly kernel: string;
  /** Two parameters; a row operation has only the first. */
  readonly p: number;
  readonly q: number;
}

/** Data that such operations read or produce; tensors of several shapes may share it. */
export class DataNode {
  /** Number of pending operations that read it. */
  readers = 0;
  /** True while a tensor uses it. */
  isAlive = true;
  /** True if it was computed once as an intermediate result and not stored. */
  wasPassedBy = false;
  /** Upper bound of the pending operations that lead to it. */
  readonly depth: number;

  constructor(
    readonly dataId: object,
    readonly shape: number[],
    readonly size: number,
    readonly dtype: DataType,
    /** The operation that computes it; undefined once computed. */
    public pending: Operation | undefined,
    /** Set if no tensor uses it any more, or if it was computed here. */
    public values?: Numbers,
  ) {
    this.depth = 1;
    for (const { node } of pending?.operands ?? []) if (node.pending !== undefined) this.depth += node.depth;
  }
}
