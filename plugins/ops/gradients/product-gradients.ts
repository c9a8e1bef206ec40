import { tf } from '../../../core/index.js';
import { at, Attributes, lastSize } from '../operations/kernel.js';
import { asNumbers } from './elementwise-gradients.js';
import { axisIn, reduction } from './reduction-gradients.js';

/** Gradients of products along axes, and of the largest elements. */
export const productGradients: readonly tf.GradConfig[] = [
  reduction('Prod', 'axis', (dy, x, axes) => {
    // The derivative is the product of the other elements: a quotient if there are no zeros, the product of the rest
    // for a single zero, and 0 next to two zeros.
    const isZero = tf.equal(x, 0);
    const others = tf.where(isZero, tf.onesLike(x), x);
    const zeros = tf.sum(asNumbers(isZero), axes, true);
    const product = tf.prod(others, axes, true);
    const without = asNumbers(tf.equal(zeros, tf.onesLike(zeros)));
    const with0 = asNumbers(tf.equal(zeros, tf.zerosLike(zeros)));
    const rest = tf.where(isZero, tf.mul(without, tf.onesLike(x)), tf.div(with0, others));
    return tf.mul(dy, tf.mul(product, rest));
  }),
  {
    // Source: TensorFlow's _CumprodGrad (python/ops/math_grad.py); NaN if there are zeros.
    kernelName: 'Cumprod',
    inputsToSave: ['x'],
    outputsToSave: [true],
    gradFunc: (dys, saved, attributes) => {
      const [x, y] = [at(saved, 0), at(saved, 1)];
      const given = new Attributes(attributes);
      const axis = axisIn(given.number('axis'), x);
      const dy = at([dys].flat(), 0);
      const after = (): tf.Tensor => tf.cumsum(tf.mul(dy, y), axis, given.flag('exclusive'), !given.flag('reverse'));
      return { x: () => tf.div(after(), x) };
    },
  },
  {
    kernelName: 'TopK',
    inputsToSave: ['x'],
    outputsToSave: [false, true],
    gradFunc: (dys, saved) => {
      const [x, indices, dy] = [at(saved, 0), at(saved, 1), at([dys].flat(), 0)];
      const [columns, k] = [lastSize(x), lastSize(indices)];
      const rows = tf.mul(tf.range(0, x.size / columns, 1, 'int32'), tf.scalar(columns, 'int32'));
      const places = tf.add(tf.reshape(indices, [-1, k]), tf.expandDims(rows, 1));
      return {
        x: () => {
          const all = tf.scatterND(tf.reshape(places, [-1, 1]), tf.reshape(dy, [-1]), [x.size]);
          return tf.reshape(all, x.shape);
        },
      };
    },
  },
];
