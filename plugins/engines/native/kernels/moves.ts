import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import type { NumberType } from '../numbers.js';
import { arrayOf, copy, isNumberType, isWithinLayouts, stepsOf, type Layout } from './arrays.js';
import { deferred, deferredRows } from './later.js';
import { sizeOf } from './sizes.js';

/** Kernels that only move elements. The cpu backend's own kernels report errors. */
export const moveKernels: readonly NativeKernel[] = [
  {
    name: 'Slice',
    defer: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const [begin = [], size = []] = tf.slice_util.parseSliceParams(
        x,
        attributes.numbers('begin'),
        attributes.numbers('size'),
      );
      tf.slice_util.assertParamsValid(x, begin, size);
      const last = x.rank - 1;
      const isOfRows = size.every((length, axis) => axis === last || length === x.shape[axis]);
      const [first, columns] = [begin[last], size[last]];
      if (!isOfRows || first === undefined || columns === undefined) return undefined;
      return deferredRows(backend, {
        kernel: 'Slice',
        step: 'partOfRow',
        of: [x],
        shape: size,
        columns,
        number: first,
      });
    },
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
      const all = x.shape.map((_, axis) => axis);
      const axes = attributes.has('dims') ? tf.util.parseAxisParam(attributes.numbers('dims'), x.shape) : all;
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
      // Otherwise more than one axis with several elements is repeated.
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
    name: 'MirrorPad',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const paddings = attributes.pairs('paddings');
      const from = arrayOf(backend, x);
      if (from === undefined || !isNumberType(x.dtype)) return undefined;
      const shape = x.shape.map((size, axis) => paddings[axis]![0] + size + paddings[axis]![1]);
      if (!isWithinLayouts(x.rank, { size: sizeOf(shape) })) return undefined;
      const y = backend.allocate(shape, x.dtype);
      const to = backend.array(y);
      const steps = stepsOf(shape);
      const begin = dot(
        paddings.map(([before]) => before),
        steps,
      );
      copy(backend, { sizes: x.shape, from: stepsOf(x.shape), to: steps, toOffset: begin }, from, to);
      // Axis by axis: each reads the existing part backwards, including the borders that earlier axes added.
      const skipped = attributes.text('mode') === 'reflect' ? 1 : 0;
      let corner = begin;
      for (const [axis, [before, after]] of paddings.entries()) {
        const [step, size] = [steps[axis]!, x.shape[axis]!];
        const sizes = shape.map((padded, other) => (other < axis ? padded : x.shape[other]!));
        const mirrored = { from: steps.with(axis, -step), to: steps };
        const last = corner + (size - 1) * step;
        copy(
          backend,
          {
            ...mirrored,
            sizes: sizes.with(axis, before),
            fromOffset: corner + (before - 1 + skipped) * step,
            toOffset: corner - before * step,
          },
          to,
          to,
        );
        copy(
          backend,
          { ...mirrored, sizes: sizes.with(axis, after), fromOffset: last - skipped * step, toOffset: last + step },
          to,
          to,
        );
        corner -= before * step;
      }
      return y;
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

/** Converts a number as JavaScript does when writing it to an array of that type. */
export function asElement(value: number, dtype: NumberType): number {
  if (dtype === 'float32') return value;
  return (dtype === 'int32' ? Int32Array.of(value) : Uint8Array.of(value))[0]!;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}
