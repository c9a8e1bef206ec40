import type { DataType } from '@tensorflow/tfjs-core';
import type { Numbers } from '../numbers.js';

/** Where element i of a result finds its own in an operand: at the sum of i's coordinates in `sizes`, times the strides. */
export interface View {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

export interface Operand {
  readonly node: DataNode;
  /** undefined: element i of the operand */
  readonly view: View | undefined;
}

/** An elementwise operation, or one along rows. */
export interface Operation {
  /** Its number among the addon's: those of elements, or those along rows. */
  readonly code: number;
  /** Of one along rows: elements of each row of its result, which its operands have as many rows as. */
  readonly along?: number;
  readonly operands: readonly Operand[];
  /** TensorFlow.js's kernel. */
  readonly kernel: string;
  /** Two numbers of its own; one along rows has the first alone. */
  readonly p: number;
  readonly q: number;
}

/** The numbers of a tensor that such operations read or make; tensors of several shapes may have the same. */
export class DataNode {
  /** Operands of operations that are yet to be done which it is. */
  readers = 0;
  /** A tensor has it. */
  isAlive = true;
  /** What was computed on the way to another result was not kept, the first time. */
  wasPassedBy = false;
  /** At most so many operations are yet to be done for it. */
  readonly depth: number;

  constructor(
    readonly dataId: object,
    readonly shape: number[],
    readonly size: number,
    readonly dtype: DataType,
    /** What is to be done for it; undefined: it is there. */
    public pending: Operation | undefined,
    /** Where no tensor has it any more, or it was computed here. */
    public values?: Numbers,
  ) {
    this.depth = 1;
    for (const { node } of pending?.operands ?? []) if (node.pending !== undefined) this.depth += node.depth;
  }
}
