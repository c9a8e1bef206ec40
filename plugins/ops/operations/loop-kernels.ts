import { accumulate, tf } from '../../../core/index.js';
import type { Op } from './kernel.js';

/** The kernels of the core's `accumulate` and `accumulateAll`. */
export const accumulateOp: Op = {
  kernels: [
    {
      name: 'EspalierAccumulate',
      compute: (inputs, attributes) =>
        tf.add(inputs.get('sum'), tf.mul(inputs.get('gradient'), attributes.number('scale'))),
    },
    {
      name: 'EspalierAccumulateAll',
      compute: (inputs, attributes) => {
        const [all, scale, count] = [inputs.all(), attributes.number('scale'), attributes.number('count')];
        const sums = all.slice(0, all.length - count);
        return all.slice(sums.length).map((gradient, index) => {
          const sum = sums[index];
          return sum === undefined ? tf.mul(gradient, scale) : accumulate(sum, gradient, scale);
        });
      },
    },
  ],
  gradients: [],
};

/** The kernel of the core's `globalNorm`. */
export const globalNormOp: Op = {
  kernels: [
    {
      name: 'EspalierGlobalNorm',
      compute: (inputs) => tf.sqrt(tf.addN(inputs.all().map((tensor) => tf.sum(tf.square(tensor))))),
    },
  ],
  gradients: [],
};
