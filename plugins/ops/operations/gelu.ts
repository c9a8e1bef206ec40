import { tf } from '../../../core/index.js';
import { at, firstOf, type Op, runKernel } from './kernel.js';

/** x · Φ(x), with Φ the normal distribution (the exact form, not the tanh one); any shape. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return runKernel<T>('EspalierGelu', { x });
}

export const geluOp: Op = {
  kernels: [
    {
      name: 'EspalierGelu',
      compute: (inputs) => {
        const x = inputs.get('x');
        return tf.mul(tf.mul(x, 0.5), tf.add(erf(tf.mul(x, Math.SQRT1_2)), 1));
      },
    },
    {
      name: 'EspalierGeluGrad',
      compute: (inputs) => {
        const x = inputs.get('x');
        const scaled = tf.mul(x, Math.SQRT1_2);
        // Φ(x) + x φ(x), with s = x / √2: (1 + erf(s) + 2/√π · s · exp(-s²)) / 2.
        const bell = tf.mul(tf.mul(scaled, tf.exp(tf.neg(tf.square(scaled)))), 2 / Math.sqrt(Math.PI));
        return tf.mul(tf.mul(inputs.get('dy'), 0.5), tf.add(tf.add(erf(scaled), bell), 1));
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierGelu',
      inputsToSave: ['x'],
      gradFunc: (dys, saved) => ({
        x: () => runKernel('EspalierGeluGrad', { dy: firstOf(dys), x: at(saved, 0) }),
      }),
    },
  ],
};

function erf(x: tf.Tensor): tf.Tensor {
  // tfjs types it as always there.
  const kernel: unknown = tf.getKernel('Erf', tf.getBackend());
  return kernel === undefined ? erfOfBasics(x) : tf.erf(x);
}

/** Within 1.5e-7. Source: Abramowitz and Stegun, formula 7.1.26. */
function erfOfBasics(x: tf.Tensor): tf.Tensor {
  const magnitude = tf.abs(x);
  const t = tf.reciprocal(tf.add(tf.mul(magnitude, 0.3275911), 1));
  const polynomial = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592].reduce<tf.Tensor>(
    (sum, coefficient) => tf.mul(tf.add(sum, coefficient), t),
    tf.zerosLike(t),
  );
  return tf.mul(tf.sign(x), tf.sub(1, tf.mul(polynomial, tf.exp(tf.neg(tf.square(x))))));
}
