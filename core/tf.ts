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
