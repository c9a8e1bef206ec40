import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import type { NumberType } from '../numbers.js';
import { arrayOf, copy, innerOf, isNumberType, isWithinLayouts, stepsOf, type Layout } from './arrays.js';
import { deferred } from './later.js';
import { sizeOf } from './sizes.js';

/** Kernels that only move elements. What is wrong in a call, the cpu backend's own kernel says. */
export const moveKernels: readonly NativeKernel[] = [
  {
    name: 'Slice',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const [begin = [], size = []] = tf.slice_util.parseSliceParams(
        x,
        attributes.numbers('begin'),
        attributes.numbers('size'),
      );
      tf.slice_util.assertParamsValid(x, begin, size);
      const steps = stepsOf(x.shape);
      return moved(backend, x, size, { sizes: size, from: steps, to: stepsOf(size), fromOffset: dot(begin, steps) });
    },
  },
  {
    name: 'StridedSlice',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const [begin, end, strides] = (['begin', 'end', 'strides'] as const).map((name) => attributes.numbers(name));
      const masks = ['beginMask', 'endMask', 'ellipsisMask', 'newAxisMask', 'shrinkAxisMask'] as const;
      const [beginMask, endMask, ellipsis, newAxis, shrink] = masks.map((name) => attributes.number(name));
      const found = tf.slice_util.sliceInfo(
        ...([x.shape, begin!, end!, strides!, beginMask!, endMask!, ellipsis!, newAxis!, shrink!] as const),
      );
      if (found.isIdentity) return undefined;
      const isSimple = found.sliceDim0 || found.isSimpleSlice;
      const sizes = isSimple
        ? tf.slice_util.computeOutShape(found.begin, found.end, found.strides)
        : found.finalShapeSparse;
      if (sizes.some((size) => size < 0)) return undefined;
      const steps = stepsOf(x.shape);
      const from = steps.map((step, axis) => step * found.strides[axis]!);
      const layout = { sizes, from, to: stepsOf(sizes), fromOffset: dot(found.begin, steps) };
      return moved(backend, x, found.finalShape, layout);
    },
  },
  {
    name: 'Transpose',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const order = attributes.numbers('perm');
      const steps = stepsOf(x.shape);
      const shape = order.map((axis) => x.shape[axis]!);
      return moved(backend, x, shape, { sizes: shape, from: order.map((axis) => steps[axis]!), to: stepsOf(shape) });
    },
  },
  {
    name: 'Reverse',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      if (x.rank === 0) return undefined;
      const axes = tf.util.parseAxisParam(attributes.numbers('dims'), x.shape);
      const steps = stepsOf(x.shape);
      const from = steps.map((step, axis) => (axes.includes(axis) ? -step : step));
      const ends = x.shape.map((size, axis) => (axes.includes(axis) ? size - 1 : 0));
      return moved(backend, x, x.shape, { sizes: x.shape, from, to: steps, fromOffset: dot(ends, steps) });
    },
  },
  {
    name: 'Tile',
    defer: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const repeats = attributes.numbers('reps');
      // Else there is more than an axis of one element along which it is read again.
      if (!isNumberType(x.dtype) || x.shape.some((size, axis) => size > 1 && repeats[axis] !== 1)) return undefined;
      const shape = x.shape.map((size, axis) => size * repeats[axis]!);
      if (sizeOf(shape) === 0 || !isWithinLayouts(x.rank, { size: sizeOf(shape) })) return undefined;
      return deferred(backend, 'Tile', 'copy', [x], shape, x.dtype);
    },
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const repeats = attributes.numbers('reps');
      const shape = x.shape.map((size, axis) => size * repeats[axis]!);
      const [steps, to] = [stepsOf(x.shape), stepsOf(shape)];
      const axes = x.shape.flatMap((size, axis) => {
        const copies = { size: repeats[axis]!, from: 0, to: to[axis]! * size };
        const own = { size, from: steps[axis]!, to: to[axis]! };
        return copies.size === 1 ? [own] : [copies, own];
      });
      return moved(backend, x, shape, {
        sizes: axes.map((axis) => axis.size),
        from: axes.map((axis) => axis.from),
        to: axes.map((axis) => axis.to),
      });
    },
  },
  {
    name: 'PadV2',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const paddings = attributes.pairs('paddings');
      const from = arrayOf(backend, x);
      if (from === undefined || !isNumberType(x.dtype) || !isWithinLayouts(x.rank, x)) return undefined;
      const shape = x.shape.map((size, axis) => paddings[axis]![0] + size + paddings[axis]![1]);
      const value = attributes.number('constantValue');
      const y = backend.allocate(shape, x.dtype);
      const to = backend.array(y);
      const steps = stepsOf(shape);
      const toOffset = dot(
        paddings.map(([before]) => before),
        steps,
      );
      backend.binding.fill(to.length, asElement(value, x.dtype), to);
      copy(backend, { sizes: x.shape, from: stepsOf(x.shape), to: steps, toOffset }, from, to);
      return y;
    },
  },
  {
    name: 'Concat',
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
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const axis = tf.util.parseAxisParam(attributes.number('axis'), x.shape)[0]!;
      const given = attributes.numbers('numOrSizeSplits');
      const isCount = attributes.isNumber('numOrSizeSplits');
      const sizes = tf.backend_util.prepareSplitSize(x, isCount ? given[0]! : given, axis);
      return parted(backend, x, axis, sizes, (size) => x.shape.with(axis, size));
    },
  },
];

function moved(backend: NativeBackend, x: Tensor, shape: number[], layout: Layout): TensorInfo | undefined {
  const from = arrayOf(backend, x);
  if (from === undefined || !isNumberType(x.dtype)) return undefined;
  if (!isWithinLayouts(layout.sizes.length, x, { size: sizeOf(shape) })) return undefined;
  const y = backend.allocate(shape, x.dtype);
  copy(backend, layout, from, backend.array(y));
  return y;
}

/** @param axis of the result: what is before it is the same in all parts */
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

/** @param shapeOf of a part that has so many of the axis */
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

/** A number as JavaScript writes it into an array of that type. */
export function asElement(value: number, dtype: NumberType): number {
  if (dtype === 'float32') return value;
  return (dtype === 'int32' ? Int32Array.of(value) : Uint8Array.of(value))[0]!;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}
