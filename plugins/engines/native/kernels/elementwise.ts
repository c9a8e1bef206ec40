import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../backend.js';
import type { NativeKernel } from '../backend.js';
import { sizeOf } from './sizes.js';

/** The operations of TensorFlow.js itself that join ours in a training step. */
export const elementwiseKernels: readonly NativeKernel[] = [
  {
    name: 'Add',
    compute: (inputs, _attributes, backend) => {
      const [a, b] = [inputs.get('a'), inputs.get('b')];
      if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
      if (endsWith(a.shape, b.shape)) return addRows(a, b, backend);
      return endsWith(b.shape, a.shape) ? addRows(b, a, backend) : undefined;
    },
  },
  {
    name: 'Multiply',
    compute: (inputs, _attributes, backend) => {
      const [a, b] = [inputs.get('a'), inputs.get('b')];
      if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
      const [tensor, scalar] = b.rank === 0 ? [a, b] : [b, a];
      if (scalar.rank !== 0) return undefined;
      const y = backend.allocate(tensor.shape);
      backend.binding.scale(tensor.size, backend.floats(scalar), backend.floats(tensor), backend.floats(y));
      return y;
    },
  },
  {
    name: 'Sum',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const axes = attributes.numbers('axis');
      const leads = axes.every((axis, index) => axis === index) && axes.length < x.rank;
      if (x.dtype !== 'float32' || !leads || axes.length === 0 || attributes.flag('keepDims')) return undefined;
      const shape = x.shape.slice(axes.length);
      const y = backend.allocate(shape);
      backend.binding.sumOuter(
        sizeOf(x.shape.slice(0, axes.length)),
        sizeOf(shape),
        backend.floats(x),
        backend.floats(y),
      );
      return y;
    },
  },
  {
    // Of whole rows: the cpu backend's kernel gives a view, whose memory could not be used again.
    name: 'Slice',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const [begin, size] = [attributes.numbers('begin'), attributes.numbers('size')];
      if (x.dtype !== 'float32' || x.rank === 0 || begin.length !== x.rank) return undefined;
      const shape = x.shape.map((all, axis) => (size[axis] === -1 ? all - begin[axis]! : size[axis]!));
      const wholeRows = x.shape.every((all, axis) => axis === 0 || (begin[axis] === 0 && shape[axis] === all));
      if (!wholeRows) return undefined;
      const row = sizeOf(x.shape.slice(1));
      const y = backend.allocate(shape);
      backend.floats(y).set(backend.floats(x).subarray(begin[0]! * row, (begin[0]! + shape[0]!) * row));
      return y;
    },
  },
  {
    // To floats: the cpu backend's kernel keeps the integers that were there under the name of floats.
    name: 'Cast',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const isToFloats = attributes.text('dtype') === 'float32' && (x.dtype === 'int32' || x.dtype === 'bool');
      if (!isToFloats) return undefined;
      const y = backend.allocate(x.shape);
      backend.floats(y).set(backend.numbers(x));
      return y;
    },
  },
  {
    name: 'ZerosLike',
    isMoreThanCalls: true,
    compute: (inputs, _attributes, backend) => {
      const x = inputs.get('x');
      if (x.dtype !== 'float32') return undefined;
      const y = backend.allocate(x.shape);
      backend.floats(y).fill(0);
      return y;
    },
  },
  {
    name: 'EspalierAccumulate',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const [sum, gradient] = [inputs.get('sum'), inputs.get('gradient')];
      const [before, added] = [backend.floats(sum), backend.floats(gradient)];
      const y = backend.replacing(sum);
      backend.binding.addScaled(sum.size, attributes.number('scale'), before, added, backend.floats(y));
      return y;
    },
  },
];

function addRows(a: Tensor, b: Tensor, backend: NativeBackend): TensorInfo {
  const y = backend.allocate(a.shape);
  // Of two equal shapes, one row.
  const outer = sizeOf(a.shape.slice(0, a.rank - b.rank));
  backend.binding.add(outer, b.size, backend.floats(a), backend.floats(b), backend.floats(y));
  return y;
}

function endsWith(shape: readonly number[], end: readonly number[]): boolean {
  const offset = shape.length - end.length;
  return offset >= 0 && end.every((size, axis) => size === shape[axis + offset]);
}
