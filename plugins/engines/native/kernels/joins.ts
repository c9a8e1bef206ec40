import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { Attributes, KernelInputs } from '../../../ops/contract.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import { areRows } from '../deferred/rows.js';
import { arrayOf, copy, innerOf, isNumberType, isWithinLayouts } from './arrays.js';
import { deferredRows } from './later.js';
import { sizeOf } from './sizes.js';

/** Kernels that join tensors along an axis, or split them. The cpu backend's own kernels report errors. */
export const joinKernels: readonly NativeKernel[] = [
  {
    name: 'Concat',
    defer: (inputs, attributes, backend) => {
      const parts = inputs.all();
      const [first, ...others] = parts;
      if (first === undefined || others.length === 0) return undefined;
      const axis = tf.util.parseAxisParam(attributes.number('axis'), first.shape)[0];
      const shapes = parts.map(({ shape }) => shape);
      if (axis !== first.rank - 1) return undefined;
      tf.backend_util.assertParamsConsistent(shapes, axis);
      return joinedRows(backend, first, others);
    },
    compute: (inputs, attributes, backend) => {
      const parts = inputs.all();
      const axis = tf.util.parseAxisParam(attributes.number('axis'), parts[0]!.shape)[0]!;
      const shapes = parts.map(({ shape }) => shape);
      tf.backend_util.assertParamsConsistent(shapes, axis);
      return joined(backend, parts, axis, tf.backend_util.computeOutShape(shapes, axis));
    },
  },
  {
    name: 'Pack',
    compute: (inputs, attributes, backend) => {
      const parts = inputs.all();
      const { shape, rank, dtype } = parts[0]!;
      const isAlike = parts.every((part) => part.dtype === dtype && String(part.shape) === String(shape));
      const given = attributes.number('axis');
      const axis = given < 0 ? given + rank + 1 : given;
      if (!isAlike || axis < 0 || axis > rank) return undefined;
      return joined(backend, parts, axis, shape.toSpliced(axis, 0, parts.length));
    },
  },
  {
    name: 'Unpack',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('value');
      const axis = tf.util.parseAxisParam(attributes.number('axis'), x.shape)[0]!;
      const sizes = Array.from({ length: x.shape[axis]! }, () => 1);
      return parted(backend, x, axis, sizes, () => x.shape.toSpliced(axis, 1));
    },
  },
  {
    name: 'SplitV',
    defer: (inputs, attributes, backend) => {
      const { x, axis, sizes } = splitOf(inputs, attributes);
      return axis === x.rank - 1 ? partsOfRows(backend, x, sizes) : undefined;
    },
    compute: (inputs, attributes, backend) => {
      const { x, axis, sizes } = splitOf(inputs, attributes);
      return parted(backend, x, axis, sizes, (size) => x.shape.with(axis, size));
    },
  },
];

/** Returns the axis that `SplitV` splits, and the size of each part. */
function splitOf(inputs: KernelInputs, attributes: Attributes): { x: Tensor; axis: number; sizes: number[] } {
  const x = inputs.get('x');
  const axis = tf.util.parseAxisParam(attributes.number('axis'), x.shape)[0]!;
  const given = attributes.numbers('numOrSizeSplits');
  const isCount = attributes.isNumber('numOrSizeSplits');
  return { x, axis, sizes: tf.backend_util.prepareSplitSize(x, isCount ? given[0]! : given, axis) };
}

/** @returns undefined if one of the tensors has no rows that chains can go along */
function joinedRows(backend: NativeBackend, first: Tensor, others: readonly Tensor[]): TensorInfo | undefined {
  const columns = [first, ...others].reduce((sum, { shape }) => sum + shape.at(-1)!, 0);
  const areWithin = [first, ...others].every(({ dtype, shape }) => dtype === 'float32' && areRows(shape.at(-1) ?? 1));
  if (!areWithin || !areRows(columns)) return undefined;
  return others.reduce<TensorInfo | undefined>((left: TensorInfo | undefined, right) => {
    if (left === undefined) return undefined;
    const together = left.shape.at(-1)! + right.shape.at(-1)!;
    const shape = first.shape.with(-1, together);
    const of = [left, right];
    const next = deferredRows(backend, { kernel: 'Concat', step: 'joinedRows', of, shape, columns: together });
    if (left !== first) backend.disposeData(left.dataId);
    return next;
  }, first);
}

function partsOfRows(backend: NativeBackend, x: Tensor, sizes: readonly number[]): TensorInfo[] | undefined {
  if (x.dtype !== 'float32' || !sizes.every(areRows)) return undefined;
  let first = 0;
  const parts = sizes.map((columns) => {
    const shape = x.shape.with(-1, columns);
    const part = { kernel: 'SplitV', step: 'partOfRow', of: [x], shape, columns, number: first };
    first += columns;
    return deferredRows(backend, part);
  });
  return parts.every((part) => part !== undefined) ? parts : undefined;
}

/** @param axis of the result; the axes before it are the same in all parts */
function joined(
  backend: NativeBackend,
  parts: readonly Tensor[],
  axis: number,
  shape: number[],
): TensorInfo | undefined {
  const dtype = parts[0]!.dtype;
  const arrays = parts.map((part) => arrayOf(backend, part));
  const isAlike = parts.every((part, index) => part.dtype === dtype && arrays[index] !== undefined);
  if (!isAlike || !isNumberType(dtype) || !isWithinLayouts(2, { size: sizeOf(shape) })) return undefined;
  const y = backend.allocate(shape, dtype);
  const to = backend.array(y);
  const outer = sizeOf(shape.slice(0, axis));
  const total = sizeOf(shape.slice(axis));
  let toOffset = 0;
  for (const [index, part] of parts.entries()) {
    const inner = innerOf(part, axis);
    copy(backend, { sizes: [outer, inner], from: [inner, 1], to: [total, 1], toOffset }, arrays[index]!, to);
    toOffset += inner;
  }
  return y;
}

/** @param shapeOf returns the shape of a part with a given size of the axis */
function parted(
  backend: NativeBackend,
  x: Tensor,
  axis: number,
  sizes: readonly number[],
  shapeOf: (size: number) => number[],
): TensorInfo[] | undefined {
  const { dtype } = x;
  const from = arrayOf(backend, x);
  if (from === undefined || !isNumberType(dtype) || !isWithinLayouts(2, x)) return undefined;
  const outer = sizeOf(x.shape.slice(0, axis));
  const [total, each] = [innerOf(x, axis), innerOf(x, axis + 1)];
  let fromOffset = 0;
  return sizes.map((size) => {
    const y = backend.allocate(shapeOf(size), dtype);
    const inner = size * each;
    const layout = { sizes: [outer, inner], from: [total, 1], to: [inner, 1], fromOffset };
    copy(backend, layout, from, backend.array(y));
    fromOffset += inner;
    return y;
  });
}
