/**
 * TensorFlow.js; its tensors belong to the running engine.
 *
 * Loaded by `require`: for an `import`, Node would scan its megabyte of CommonJS for exports, which takes a quarter of
 * a command's start-up time.
 */
import tf = require('@tensorflow/tfjs-core');
import type { Engine } from './contracts/engine.js';

export { tf };

/** Makes the engine's backend current for the (synchronous) tensor operations that follow; needed after an await. */
export function useEngine(engine: Engine): void {
  if (tf.getBackend() !== engine.backend) void tf.setBackend(engine.backend);
}

/**
 * Returns `sum` + `scale` · `gradient`, of equal shapes. The result may share the memory of `sum`, so dispose that.
 * Every engine registers the kernel (`registerOps` does).
 */
export function accumulate(sum: tf.Tensor, gradient: tf.Tensor, scale: number): tf.Tensor {
  return tf.engine().runKernel('EspalierAccumulate', { sum, gradient }, { scale });
}

/**
 * Returns `scale` · gradient for each gradient, plus its sum if sums are given: `accumulate` in one call, which an engine
 * may compile as a whole.
 */
export function accumulateAll(sums: readonly tf.Tensor[], gradients: readonly tf.Tensor[], scale: number): tf.Tensor[] {
  const inputs = Object.fromEntries([...sums, ...gradients].entries());
  return tf.engine().runKernel<tf.Tensor[]>('EspalierAccumulateAll', inputs, { scale, count: gradients.length });
}

/**
 * Returns the square root of the sum of squares over all tensors; 0 for none. Every engine registers the kernel
 * (`registerOps` does).
 */
export function globalNorm(tensors: readonly tf.Tensor[]): number {
  if (tensors.length === 0) return 0;
  const norm = unreadNorm(tensors);
  const value = norm.dataSync<'float32'>()[0];
  norm.dispose();
  return value ?? 0;
}

/** Returns the global norm of at least one tensor without waiting for it. */
export function unreadNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.engine().runKernel<tf.Scalar>('EspalierGlobalNorm', Object.fromEntries(tensors.entries()));
}
