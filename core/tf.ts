/**
 * TensorFlow.js, whose tensors are those of the running engine.
 *
 * Not an `import` of the package: Node would read its megabyte of CommonJS through for the names that it exports, a
 * quarter of the time that a command takes to start.
 */
import tf = require('@tensorflow/tfjs-core');
import type { Engine } from './contracts/engine.js';

export { tf };

/** Makes the engine's backend current for the tensor operations that follow (synchronously): for a plugin that computes after an await. */
export function useEngine(engine: Engine): void {
  if (tf.getBackend() !== engine.backend) void tf.setBackend(engine.backend);
}

/**
 * `sum` + `scale` · `gradient`, of one shape. The tensor that comes back may share the memory of `sum`: dispose that.
 * Every engine registers the kernel (`registerOps` does).
 */
export function accumulate(sum: tf.Tensor, gradient: tf.Tensor, scale: number): tf.Tensor {
  return tf.engine().runKernel('EspalierAccumulate', { sum, gradient }, { scale });
}

/** Square root of the sum of all squares of the tensors; 0 of none. Every engine registers the kernel (`registerOps` does). */
export function globalNorm(tensors: readonly tf.Tensor[]): number {
  if (tensors.length === 0) return 0;
  const norm = tf.engine().runKernel<tf.Scalar>('EspalierGlobalNorm', Object.fromEntries(tensors.entries()));
  const value = norm.dataSync<'float32'>()[0];
  norm.dispose();
  return value ?? 0;
}
