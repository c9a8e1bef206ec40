import { tf } from '../tf.js';
import { runKernel, type Op } from './kernel.js';

/**
 * `sum` + `scale` · `gradient`, of one shape. The tensor that comes back may share the memory of `sum`: dispose that.
 */
export function accumulate(sum: tf.Tensor, gradient: tf.Tensor, scale: number): tf.Tensor {
  return runKernel('EspalierAccumulate', { sum, gradient }, { scale });
}

export const accumulateOp: Op = {
  kernels: [
    {
      name: 'EspalierAccumulate',
      compute: (inputs, attributes) =>
        tf.add(inputs.get('sum'), tf.mul(inputs.get('gradient'), attributes.number('scale'))),
    },
  ],
  gradients: [],
};
