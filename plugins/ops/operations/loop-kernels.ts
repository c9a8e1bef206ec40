import { tf } from '../../../core/index.js';
import type { Op } from './kernel.js';

/** The kernel of the core's `accumulate`. */
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
