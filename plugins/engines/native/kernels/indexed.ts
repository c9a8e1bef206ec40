import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import { arrayOf, copy, isNumberType, isWithinLayouts } from './arrays.js';
import { deferredConstant } from './later.js';
import { asElement } from './moves.js';
import { rowsAndColumns, sizeOf } from './sizes.js';

/** Kernels on slices selected by index, and constant fills. The cpu backend's own kernels report errors. */
export const indexedKernels: readonly NativeKernel[] = [
  {
    name: 'GatherV2',
    compute: (inputs, attributes, backend) => {
      const [x, indices] = [inputs.get('x'), inputs.get('indices')];
      const axis = tf.util.parseAxisParam(attributes.number('axis'), x.shape)[0]!;
      const [from, ids] = [arrayOf(backend, x), idsOf(backend, indices)];
      if (from === undefined || ids === undefined || !isNumberType(x.dtype)) return undefined;
      const size = x.shape[axis]!;
      if (ids.some((id) => id < 0 || id >= size)) return undefined;
      const batchDims = attributes.has('batchDims') ? attributes.number('batchDims') : 0;
      const found = tf.backend_util.segment_util.collectGatherOpShapeInfo(x, indices, axis, batchDims);
      const { batchSize, outerSize, sliceSize } = found;
      if (batchSize * outerSize * sliceSize === 0) return undefined;
      const y = backend.allocate(found.outputShape, x.dtype);
      const sizes = [batchSize, outerSize, size, indices.size / batchSize, sliceSize] as const;
      backend.binding.gather(...sizes, ids, from, backend.array(y));
      return y;
    },
  },
  {
    name: 'GatherNd',
    compute: (inputs, _attributes, backend) => {
      const [x, indices] = [inputs.get('params'), inputs.get('indices')];
      const [from, ids] = [arrayOf(backend, x), idsOf(backend, indices)];
      const [shape, count, slice] = tf.backend_util.prepareAndValidate(x, indices);
      if (from === undefined || ids === undefined || !isNumberType(x.dtype) || count === 0) return undefined;
      const depth = indices.shape.at(-1)!;
      const sizes = x.shape.slice(0, depth);
      if (!areThere(ids, depth, sizes)) return undefined;
      const y = backend.allocate(shape, x.dtype);
      backend.binding.gatherNd(count, depth, Int32Array.from(sizes), slice, ids, from, backend.array(y));
      return y;
    },
  },
  {
    name: 'ScatterNd',
    compute: (inputs, attributes, backend) => {
      const [indices, updates] = [inputs.get('indices'), inputs.get('updates')];
      const shape = attributes.numbers('shape');
      const found = slicesTo(backend, indices, updates, shape);
      if (found === undefined || !isNumberType(updates.dtype)) return undefined;
      const { count, depth, sizes, slice, ids, from } = found;
      const y = backend.allocate(shape, updates.dtype);
      const to = backend.array(y);
      backend.binding.fill(to.length, 0, to);
      backend.binding.scatter(true, false, count, depth, sizes, slice, ids, from, to);
      return y;
    },
  },
  {
    name: 'TensorScatterUpdate',
    compute: (inputs, _attributes, backend) => {
      const [x, indices, updates] = [inputs.get('tensor'), inputs.get('indices'), inputs.get('updates')];
      const before = arrayOf(backend, x);
      const found = slicesTo(backend, indices, updates, x.shape);
      const isAlike = before !== undefined && x.dtype === updates.dtype && isWithinLayouts(1, x);
      if (found === undefined || !isAlike || !isNumberType(x.dtype)) return undefined;
      const { count, depth, sizes, slice, ids, from } = found;
      const y = backend.allocate(x.shape, x.dtype);
      const to = backend.array(y);
      copy(backend, { sizes: [x.size], from: [1], to: [1] }, before, to);
      backend.binding.scatter(false, false, count, depth, sizes, slice, ids, from, to);
      return y;
    },
  },
  {
    name: 'UnsortedSegmentSum',
    compute: (inputs, attributes, backend) => {
      const [x, segments] = [inputs.get('x'), inputs.get('segmentIds')];
      const ids = idsOf(backend, segments);
      if (x.dtype !== 'float32' || ids === undefined || segments.rank !== 1 || x.size === 0) return undefined;
      const count = attributes.number('numSegments');
      const y = backend.allocate([count, ...x.shape.slice(1)]);
      const to = backend.floats(y);
      backend.binding.fill(to.length, 0, to);
      const sizes = [segments.size, 1, Int32Array.of(count), x.size / segments.size] as const;
      backend.binding.scatter(true, true, ...sizes, ids, backend.floats(x), to);
      return y;
    },
  },
  {
    name: 'OneHot',
    compute: (inputs, attributes, backend) => {
      const indices = inputs.get('indices');
      const ids = idsOf(backend, indices);
      const dtype = attributes.text('dtype') ?? 'int32';
      if (ids === undefined || !isNumberType(dtype)) return undefined;
      const depth = attributes.number('depth');
      const [on, off] = ['onValue', 'offValue'].map((name) => asElement(attributes.number(name), dtype));
      const y = backend.allocate([...indices.shape, depth], dtype);
      backend.binding.oneHot(indices.size, depth, on!, off!, ids, backend.array(y));
      return y;
    },
  },
  {
    name: 'TopK',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const { dtype } = x;
      const [from, k] = [arrayOf(backend, x), attributes.number('k')];
      const [rows, columns] = rowsAndColumns(x.shape);
      const isServed = (dtype === 'float32' || dtype === 'int32') && k <= columns && x.size > 0;
      if (from === undefined || !isServed) return undefined;
      const shape = x.shape.with(-1, k);
      const [values, indices] = [backend.allocate(shape, dtype), backend.allocate(shape, 'int32')];
      backend.binding.topK(rows, columns, k, from, backend.array(values), backend.integers(indices));
      return [values, indices];
    },
  },
  filled('ZerosLike', 0),
  filled('OnesLike', 1),
  {
    name: 'Fill',
    defer: (_inputs, attributes, backend) => {
      if (!attributes.isNumber('value')) return undefined;
      const value = attributes.number('value');
      const dtype = attributes.text('dtype') ?? tf.util.inferDtype(value);
      return deferredConstant(backend, 'Fill', attributes.numbers('shape'), dtype, value);
    },
    compute: (_inputs, attributes, backend) => {
      if (!attributes.isNumber('value')) return undefined;
      const value = attributes.number('value');
      const dtype = attributes.text('dtype') ?? tf.util.inferDtype(value);
      if (!isNumberType(dtype)) return undefined;
      const y = backend.allocate(attributes.numbers('shape'), dtype);
      const to = backend.array(y);
      backend.binding.fill(to.length, asElement(value, dtype), to);
      return y;
    },
  },
];

function filled(name: string, value: number): NativeKernel {
  return {
    name,
    defer: (inputs, _attributes, backend) => {
      const { shape, dtype } = inputs.get('x');
      return deferredConstant(backend, name, shape, dtype, value);
    },
    compute: (inputs, _attributes, backend) => {
      const { shape, dtype } = inputs.get('x');
      if (!isNumberType(dtype)) return undefined;
      const y = backend.allocate(shape, dtype);
      const to = backend.array(y);
      backend.binding.fill(to.length, value, to);
      return y;
    },
  };
}

interface Slices {
  readonly count: number;
  readonly depth: number;
  readonly sizes: Int32Array;
  readonly slice: number;
  readonly ids: Int32Array;
  readonly from: Float32Array | Int32Array | Uint8Array;
}

/**
 * Returns how `updates` [count, slice] are placed in a tensor of that shape. @throws Error if they do not fit, as tfjs
 * does
 */
function slicesTo(backend: NativeBackend, indices: Tensor, updates: Tensor, shape: number[]): Slices | undefined {
  const { sliceRank, numUpdates, sliceSize } = tf.backend_util.calculateShapes(updates, indices, shape);
  const [from, ids] = [arrayOf(backend, updates), idsOf(backend, indices)];
  const sizes = shape.slice(0, sliceRank);
  const isWhole = updates.size === numUpdates * sliceSize && sizeOf(shape) > 0;
  if (from === undefined || ids === undefined || !isWhole || !areThere(ids, sliceRank, sizes)) return undefined;
  return { count: numUpdates, depth: sliceRank, sizes: Int32Array.from(sizes), slice: sliceSize, ids, from };
}

function idsOf(backend: NativeBackend, indices: Tensor): Int32Array | undefined {
  const values = arrayOf(backend, indices);
  return values instanceof Int32Array ? values : undefined;
}

/**
 * Returns whether each of ids [count, depth] names a slice within the sizes, by its offset in memory, as tfjs checks.
 */
function areThere(ids: Int32Array, depth: number, sizes: readonly number[]): boolean {
  const slices = sizeOf(sizes);
  for (let at = 0; at < ids.length; at += depth) {
    let slice = 0;
    for (let axis = 0; axis < depth; axis++) slice = slice * sizes[axis]! + ids[at + axis]!;
    if (slice < 0 || slice >= slices) return false;
  }
  return true;
}
