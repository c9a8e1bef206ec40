import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { Attributes } from '../../../ops/contract.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import { stepsOf } from './arrays.js';
import { sizeOf } from './sizes.js';

/** Batched matrix products. The cpu backend's own kernels report errors. */
export const productKernels: readonly NativeKernel[] = [
  {
    name: 'BatchMatMul',
    compute: (inputs, attributes, backend) => multiplied(backend, inputs.get('a'), inputs.get('b'), attributes),
  },
  {
    name: '_FusedMatMul',
    compute: (inputs, attributes, backend) => {
      const bias = inputs.optional('bias');
      const isPlain = (attributes.text('activation') ?? 'linear') === 'linear';
      const columns = inputs.get('b').shape.at(attributes.flag('transposeB') ? -2 : -1);
      const isRow = bias === undefined || (bias.size === columns && bias.shape.at(-1) === columns);
      if (!isPlain || !isRow || (bias !== undefined && bias.dtype !== 'float32')) return undefined;
      return multiplied(backend, inputs.get('a'), inputs.get('b'), attributes, bias);
    },
  },
];

/** @param bias added to every row */
function multiplied(
  backend: NativeBackend,
  a: Tensor,
  b: Tensor,
  attributes: Attributes,
  bias?: Tensor,
): TensorInfo | undefined {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const [ofA, ofB] = [attributes.flag('transposeA'), attributes.flag('transposeB')];
  const [[m = 0, k = 0], [inner, n = 0]] = [inOrder(a.shape.slice(-2), ofA), inOrder(b.shape.slice(-2), ofB)];
  if (inner !== k) return undefined;
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const y = backend.allocate([...batch, m, n]);
  const batches = sizeOf(batch);
  if (batches === 0) return y;
  const arrays = [backend.floats(a), backend.floats(b), bias && backend.floats(bias), backend.floats(y)] as const;
  const [left, right, added, to] = arrays;
  // If all batches share one matrix, multiply all their rows at once.
  if (batches === 1 || (!ofA && sizeOf(batchB) === 1 && sizeOf(batchA) === batches)) {
    const how = [batches * m, n, k, ofA, ofB, backend.bf16, undefined, undefined] as const;
    backend.binding.matrixProduct(...how, left, right, added, undefined, undefined, to);
    return y;
  }
  backend.binding.batchedProduct(
    ...([batches, m, n, k, ofA, ofB, backend.bf16, sizeOf(batchA), sizeOf(batchB)] as const),
    ...([matricesOf(batchA, batch), matricesOf(batchB, batch), left, right, added, to] as const),
  );
  return y;
}

/** Returns which matrix each batch of a broadcast shape uses. */
function matricesOf(shape: readonly number[], batch: readonly number[]): Int32Array {
  const offset = batch.length - shape.length;
  const steps = stepsOf(shape).map((step, axis) => (shape[axis] === 1 ? 0 : step));
  const places = stepsOf(batch);
  return Int32Array.from({ length: sizeOf(batch) }, (_, index) =>
    steps.reduce((at, step, axis) => {
      const place = offset + axis;
      return at + step * (Math.floor(index / places[place]!) % batch[place]!);
    }, 0),
  );
}

function inOrder(sizes: readonly number[], transposed: boolean): readonly number[] {
  return transposed ? sizes.toReversed() : sizes;
}
