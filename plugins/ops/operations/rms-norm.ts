import { tf } from '../../../core/index.js';
import { asRows, at, firstOf, type Op, runKernel, runKernelForAll } from './kernel.js';

/**
 * Each row of the last axis over the root of its mean square, to which `epsilon` is added, times `weight` [last axis].
 * Source: Zhang and Sennrich, "Root mean square layer normalization", 2019, section 4.
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, epsilon = 1e-6): T {
  return runKernel<T>('EspalierRmsNorm', { x, weight }, { epsilon });
}

export const rmsNormOp: Op = {
  kernels: [
    {
      name: 'EspalierRmsNorm',
      compute: (inputs, attributes) => {
        const x = inputs.get('x');
        const { normalized } = normalize(x, attributes.number('epsilon'));
        return tf.reshape(tf.mul(normalized, inputs.get('weight')), x.shape);
      },
    },
    {
      name: 'EspalierRmsNormGrad',
      compute: (inputs, attributes) => {
        const x = inputs.get('x');
        const dy = asRows(inputs.get('dy'));
        const { normalized, inverse } = normalize(x, attributes.number('epsilon'));
        const scaled = tf.mul(dy, inputs.get('weight'));
        const along = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), 1, true));
        return [tf.reshape(tf.mul(tf.sub(scaled, along), inverse), x.shape), tf.sum(tf.mul(dy, normalized), 0)];
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierRmsNorm',
      inputsToSave: ['x', 'weight'],
      gradFunc: (dys, saved, attributes) => {
        const inputs = { dy: firstOf(dys), x: at(saved, 0), weight: at(saved, 1) };
        const gradients = runKernelForAll('EspalierRmsNormGrad', inputs, attributes);
        return { x: () => at(gradients, 0), weight: () => at(gradients, 1) };
      },
    },
  ],
};

function normalize(x: tf.Tensor, epsilon: number): { normalized: tf.Tensor; inverse: tf.Tensor } {
  const rows = asRows(x);
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(rows), 1, true), epsilon));
  return { normalized: tf.mul(rows, inverse), inverse };
}
