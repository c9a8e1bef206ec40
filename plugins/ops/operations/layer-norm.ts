import { tf } from '../../../core/index.js';
import { asRows, at, firstOf, type Op, runKernel, runKernelForAll } from './kernel.js';

/**
 * Subtracts its mean from each row of the last axis, divides by its standard deviation (biased, with `epsilon` added to
 * the variance), and multiplies by `weight` (+ `bias`), both [last axis].
 */
export function layerNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, bias?: tf.Tensor, epsilon = 1e-5): T {
  return runKernel<T>('EspalierLayerNorm', { x, weight, ...(bias === undefined ? {} : { bias }) }, { epsilon });
}

export const layerNormOp: Op = {
  kernels: [
    {
      name: 'EspalierLayerNorm',
      compute: (inputs, attributes) => {
        const [x, bias] = [inputs.get('x'), inputs.optional('bias')];
        const { normalized } = normalize(x, attributes.number('epsilon'));
        const scaled = tf.mul(normalized, inputs.get('weight'));
        return tf.reshape(bias === undefined ? scaled : tf.add(scaled, bias), x.shape);
      },
    },
    {
      name: 'EspalierLayerNormGrad',
      compute: (inputs, attributes) => {
        const x = inputs.get('x');
        const dy = asRows(inputs.get('dy'));
        const { normalized, inverseDeviation } = normalize(x, attributes.number('epsilon'));
        const scaled = tf.mul(dy, inputs.get('weight'));
        const along = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), 1, true));
        const centred = tf.sub(tf.sub(scaled, tf.mean(scaled, 1, true)), along);
        const dx = tf.reshape(tf.mul(centred, inverseDeviation), x.shape);
        return [dx, tf.sum(tf.mul(dy, normalized), 0), tf.sum(dy, 0)];
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierLayerNorm',
      inputsToSave: ['x', 'weight'],
      gradFunc: (dys, saved, attributes) => {
        const inputs = { dy: firstOf(dys), x: at(saved, 0), weight: at(saved, 1) };
        const gradients = runKernelForAll('EspalierLayerNormGrad', inputs, attributes);
        return { x: () => at(gradients, 0), weight: () => at(gradients, 1), bias: () => at(gradients, 2) };
      },
    },
  ],
};

function normalize(x: tf.Tensor, epsilon: number): { normalized: tf.Tensor; inverseDeviation: tf.Tensor } {
  const rows = asRows(x);
  const centred = tf.sub(rows, tf.mean(rows, 1, true));
  const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon));
  return { normalized: tf.mul(centred, inverseDeviation), inverseDeviation };
}
