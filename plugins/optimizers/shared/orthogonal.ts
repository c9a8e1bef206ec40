import { tf } from '../../../core/index.js';

/** Coefficients of x → a x + b x³ + c x⁵, which moves singular values towards 1. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
/** Smallest norm to divide a matrix by. */
const EPSILON = 1e-7;

/**
 * Returns a matrix [rows, columns] with the same singular vectors and singular values near 1 (0.7 to 1.2), by
 * Newton–Schulz iterations. Source: Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024.
 */
export function orthogonal(matrix: tf.Tensor2D, steps: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [rows, columns] = matrix.shape;
    const wide: tf.Tensor2D = rows > columns ? tf.transpose(matrix) : matrix;
    let x: tf.Tensor2D = tf.div(wide, tf.maximum(tf.norm(wide), EPSILON));
    for (let step = 0; step < steps; step++) {
      const gram = tf.matMul(x, x, false, true);
      const factor = tf.add<tf.Tensor2D>(tf.mul(gram, B), tf.mul(tf.matMul(gram, gram), C));
      x = tf.add(tf.mul(x, A), tf.matMul(factor, x));
    }
    return rows > columns ? tf.transpose(x) : x;
  });
}
