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
