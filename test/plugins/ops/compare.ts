import { tf } from '../../../core/tf.js';
import { normals, type Case } from './cases.js';

/** Tolerance for float32 arithmetic in another order, relative to the reference's largest element. */
export const F32_TOLERANCE = 2e-5;

/**
 * Returns the output, then the gradient of each input for an output gradient drawn from a fixed seed.
 * @param rounded applied to the inputs and to the output gradient
 */
export function compute(
  { inputs, apply }: Case,
  backend: string,
  rounded: (values: Float32Array) => Float32Array = (values) => values,
): Float32Array[] {
  return on(backend, () => {
    const tensors = inputs.map(({ shape, values }) => tf.tensor(rounded(values), shape));
    const y = apply(...tensors);
    const [dy] = normals(3, y.shape);
    const gradients = tf.grads((...xs: tf.Tensor[]) => apply(...xs))(tensors, tf.tensor(rounded(dy!.values), y.shape));
    return [y, ...gradients].map((tensor) => tensor.dataSync<'float32'>().slice());
  });
}

export function on<T>(backend: string, body: () => T): T {
  void tf.setBackend(backend);
  tf.engine().startScope();
  try {
    return body();
  } finally {
    tf.engine().endScope();
  }
}

export function assertClose(
  found: Float32Array | undefined,
  expected: Float32Array,
  what: string,
  tolerance = F32_TOLERANCE,
): void {
  if (found?.length !== expected.length) throw new Error(`${what}: ${String(found?.length)} numbers`);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  for (const [index, value] of expected.entries()) {
    const error = Math.abs(found[index]! - value) / largest;
    // Not `>`, so that NaN fails.
    if (!(error <= tolerance))
      throw new Error(`${what}[${String(index)}] is ${String(found[index])}, not ${String(value)}`);
  }
}
