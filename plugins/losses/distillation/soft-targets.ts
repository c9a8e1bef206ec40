import { tf } from '../../../core/index.js';

/**
 * Returns T² · KL(teacher ‖ student) of each position in nats, [batch, time], from both models' logits divided by T.
 * Only the student gets a gradient: T · (softmax(student / T) - softmax(teacher / T)).
 * Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.
 * @param student logits [batch, time, vocab]
 * @param teacher computes logits of the same shape; nothing of it is kept for the backward pass
 */
export function softTargetLosses(student: tf.Tensor3D, teacher: () => tf.Tensor3D, temperature: number): tf.Tensor2D {
  const compute = tf.customGrad<tf.Tensor2D>((...[logits, save]) => {
    if (!(logits instanceof tf.Tensor) || typeof save !== 'function') throw new Error('of one tensor');
    const expected = logProbabilities(teacher(), temperature);
    const found = logProbabilities(logits, temperature);
    const probabilities = tf.exp(expected);
    save([tf.sub(tf.exp(found), probabilities)]);
    const divergence = tf.sum<tf.Tensor2D>(tf.mul(probabilities, tf.sub(expected, found)), -1);
    return {
      value: tf.mul<tf.Tensor2D>(divergence, temperature ** 2),
      gradFunc: (dy: tf.Tensor2D, [difference = dy]: tf.Tensor[]) =>
        tf.mul(difference, tf.expandDims(tf.mul(dy, temperature), -1)),
    };
  });
  return compute(student);
}

function logProbabilities(logits: tf.Tensor, temperature: number): tf.Tensor {
  const scaled = tf.div(logits, temperature);
  return tf.sub(scaled, tf.logSumExp(scaled, -1, true));
}
