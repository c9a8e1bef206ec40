import { tf, type DropoutMask } from '../../../core/index.js';
import { firstOf, runKernel, type Attributes, type Op } from './kernel.js';

/** Sets a share of the elements to 0 and divides the others by the share kept; any shape. */
export function dropout<T extends tf.Tensor>(x: T, mask: DropoutMask | undefined): T {
  const rows = x.shape.at(0) ?? 1;
  return mask === undefined ? x : runKernel<T>('EspalierDropout', { x }, maskAttributes(mask, x.size / rows));
}

/**
 * Converts a mask to kernel attributes: the index of the first element instead of the row. @param rowSize elements in a
 * row
 */
export function maskAttributes(mask: DropoutMask, rowSize: number): tf.NamedAttrMap {
  const { rate, key0, key1, firstRow = 0 } = mask;
  return { rate, key0, key1, first: firstRow * rowSize };
}

/** Returns the factor of each of `size` elements, 0 or 1 / (1 - rate), from a kernel's attributes. */
export function dropoutFactors(size: number, attributes: Attributes): Float32Array {
  const rate = attributes.number('rate');
  const [key0, key1, first] = [attributes.number('key0'), attributes.number('key1'), attributes.number('first')];
  const threshold = rate * 2 ** 32;
  const kept = 1 / (1 - rate);
  const factors = new Float32Array(size);
  for (let i = 0; i < size; i++) factors[i] = elementHash(first + i, key0, key1) < threshold ? 0 : kept;
  return factors;
}

export const dropoutOp: Op = {
  kernels: [
    {
      name: 'EspalierDropout',
      compute: (inputs, attributes) => {
        const x = inputs.get('x');
        return tf.mul(x, tf.tensor(dropoutFactors(x.size, attributes), x.shape));
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierDropout',
      gradFunc: (dys, _saved, attributes) => ({
        x: () => runKernel('EspalierDropout', { x: firstOf(dys) }, attributes),
      }),
    },
  ],
};

/**
 * Returns a uniform 32-bit number for an element; two rounds, so that different keys do not give shifted copies of one
 * sequence.
 * @param index may exceed 2^32, since a batch of many ranks has that many elements
 */
function elementHash(index: number, key0: number, key1: number): number {
  return mix((mix(index ^ key0) + key1 + Math.floor(index / 2 ** 32)) | 0) >>> 0;
}

/** Source: "lowbias32" of https://github.com/skeeto/hash-prospector (constants of 2022). */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}
