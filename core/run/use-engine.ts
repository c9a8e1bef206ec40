import { tf } from '../tf.js';
import type { Engine } from '../contracts/engine.js';

/** Makes the engine's backend current for the tensor operations that follow (synchronously): for a plugin that computes after an await. */
export function useEngine(engine: Engine): void {
  if (tf.getBackend() !== engine.backend) void tf.setBackend(engine.backend);
}
