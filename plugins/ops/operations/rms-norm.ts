import { tf } from '../../../core/index.js';
import { at, firstOf, lastSize, type Op, runKernel, runKernelForAll } from './kernel.js';

/**
 * Divides each row of the last axis by its root mean square (with `epsilon` added to the mean square), and multiplies
 * by `weight` [last axis].
 * Source: Zhang and Sennrich, "Root mean square layer normalization", 2019, section 4.
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, epsilon = 1e-6): T {
  return runKernel<T>('EspalierRmsNorm', { x, weight }, { epsilon });
}

export const rmsNormOp: Op = {
  kernels: [
    {
      name: 'EspalierRmsNorm',
      compute: (inputs, attributes) => rowsNormed(inputs.get('x'), inputs.get('weight'), attributes.number('epsilon')),
    },
    {
      name: 'EspalierRmsNormGrad',
      compute: (inputs, attributes) =>
        rowsNormedGradient(inputs.get('dy'), inputs.get('x'), inputs.get('weight'), attributes.number('epsilon')),
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

/** Normalizes x in rows of the weight's width; returns the shape of x. */
export function rowsNormed(x: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor {
  const { normalized } = normalize(x, weight, epsilon);
  return tf.reshape(tf.mul(normalized, weight), x.shape);
}

/** Returns the gradients of `rowsNormed` with respect to x and the weight. */
export function rowsNormedGradient(
  dy: tf.Tensor,
  x: tf.Tensor,
  weight: tf.Tensor,
  epsilon: number,
): [dx: tf.Tensor, dWeight: tf.Tensor] {
  const { normalized, inverse } = normalize(x, weight, epsilon);
  const gradient = tf.reshape(dy, [-1, lastSize(weight)]);
  const scaled = tf.mul(gradient, weight);
  const along = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), 1, true));
  return [tf.reshape(tf.mul(tf.sub(scaled, along), inverse), x.shape), tf.sum(tf.mul(gradient, normalized), 0)];
}

function normalize(x: tf.Tensor, weight: tf.Tensor, epsilon: number): { normalized: tf.Tensor; inverse: tf.Tensor } {
  const rows = tf.reshape(x, [-1, lastSize(weight)]);
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(rows), 1, true), epsilon));
  return { normalized: tf.mul(rows, inverse), inverse };
}
