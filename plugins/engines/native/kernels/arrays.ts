import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../backend.js';
import type { Numbers, NumberType } from '../numbers.js';

/** Maximum number of axes in a layout of the addon. */
const MOST_AXES = 12;

/** Which elements a copy reads and writes: offset + Σ coordinate · step. */
export interface Layout {
  readonly sizes: readonly number[];
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly fromOffset?: number;
  readonly toOffset?: number;
}

/**
 * Returns a tensor's elements; undefined if they are not numeric or boolean, or if the array has another type than the
 * tensor.
 */
export function arrayOf(backend: NativeBackend, tensor: TensorInfo): Numbers | undefined {
  if (!isNumberType(tensor.dtype)) return undefined;
  const values = backend.array(tensor);
  return typeOf(values) === tensor.dtype ? values : undefined;
}

export function isNumberType(dtype: string): dtype is NumberType {
  return dtype === 'float32' || dtype === 'int32' || dtype === 'bool';
}

/** Returns the steps between neighbours along each axis. */
export function stepsOf(shape: readonly number[]): number[] {
  const steps = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) steps[axis] = steps[axis + 1]! * shape[axis + 1]!;
  return steps;
}

/** Returns whether the addon supports a layout of this rank and size. */
export function isWithinLayouts(rank: number, ...tensors: readonly { readonly size: number }[]): boolean {
  return rank <= MOST_AXES && tensors.every(({ size }) => size < 2 ** 31);
}

export function copy(backend: NativeBackend, layout: Layout, x: Numbers, y: Numbers): void {
  const { sizes, from, to, fromOffset = 0, toOffset = 0 } = layout;
  if (sizes.includes(0)) return;
  backend.binding.copy(sizes.length, Int32Array.of(...sizes, ...from, ...to, fromOffset, toOffset), x, y);
}

/** Returns the number of elements per index of an axis and those after it (if any). */
export function innerOf({ shape }: Tensor, axis: number): number {
  return shape.slice(axis).reduce((product, size) => product * size, 1);
}

function typeOf(values: Numbers): NumberType {
  if (values instanceof Float32Array) return 'float32';
  return values instanceof Int32Array ? 'int32' : 'bool';
}
