import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { NativeBackend } from '../backend.js';
import type { NativeBinding } from '../binding.js';
import type { Operand } from '../deferred/node.js';
import { areRows } from '../deferred/rows.js';
import { broadcastView } from '../deferred/views.js';

/** @returns undefined if an operand's data is not stored in the form of its type */
export function deferred(
  backend: NativeBackend,
  kernel: string,
  operation: string,
  tensors: readonly TensorInfo[],
  shape: number[],
  dtype: DataType,
  [p, q]: readonly [p: number, q: number] = [0, 0],
): TensorInfo | undefined {
  const size = tf.util.sizeFromShape(shape);
  const operands: Operand[] = [];
  for (const tensor of tensors) {
    const node = backend.nodeOf(tensor, tf.util.sizeFromShape(tensor.shape));
    if (node === undefined) return undefined;
    operands.push({ node, view: broadcastView(tensor.shape, shape, size) });
  }
  return backend.defer(shape, size, dtype, { code: codeOf(backend, operation), kernel, operands, p, q });
}

/** Defers a constant tensor. @returns undefined for other types than float */
export function deferredConstant(
  backend: NativeBackend,
  kernel: string,
  shape: number[],
  dtype: string,
  value: number,
): TensorInfo | undefined {
  const size = tf.util.sizeFromShape(shape);
  if (dtype !== 'float32' || !canWait(size)) return undefined;
  const code = codeOf(backend, 'constant');
  return backend.defer(shape, size, dtype, { code, kernel, operands: [], p: value, q: 0 });
}

/**
 * Defers an operation along the last axis of float tensors with equally many rows. @returns undefined for other tensors
 */
export function deferredRows(backend: NativeBackend, operation: RowOperation): TensorInfo | undefined {
  const { kernel, step, of, columns, number = 0 } = operation;
  const operands: Operand[] = [];
  for (const tensor of of) {
    const size = tf.util.sizeFromShape(tensor.shape);
    if (tensor.dtype !== 'float32' || !canWait(size) || !areRows(tensor.shape.at(-1) ?? 1)) return undefined;
    const node = backend.nodeOf(tensor, size);
    if (node === undefined) return undefined;
    operands.push({ node, view: undefined });
  }
  const { shape } = operation;
  const size = tf.util.sizeFromShape(shape);
  if (!canWait(size) || (columns !== 1 && !areRows(columns))) return undefined;
  const code = rowCodeOf(backend, step);
  return backend.defer(shape, size, 'float32', { code, along: columns, kernel, operands, p: number, q: 0 });
}

export interface RowOperation {
  readonly kernel: string;
  /** Name of the operation in the addon. */
  readonly step: string;
  readonly of: readonly TensorInfo[];
  /** Shape of the result, and its elements per row. */
  readonly shape: number[];
  readonly columns: number;
  /** The operation's parameter. */
  readonly number?: number;
}

/** Returns whether a plan can hold the number of elements: at least one, within int32. */
function canWait(size: number): boolean {
  return size > 0 && size < 2 ** 31;
}

const codeOf = codesOf((binding) => binding.elementwiseNames());
const rowCodeOf = codesOf((binding) => binding.rowStepNames());

/** Returns a lookup of codes by the addon's names. */
function codesOf(names: (binding: NativeBinding) => string[]): (backend: NativeBackend, operation: string) => number {
  let codes: ReadonlyMap<string, number> | undefined;
  return ({ binding }, operation) => {
    codes ??= new Map(names(binding).map((name, code) => [name, code]));
    const code = codes.get(operation);
    if (code === undefined) throw new Error(`the addon has no operation ${operation}`);
    return code;
  };
}
