import type { Tensor } from '@tensorflow/tfjs-core';
import { token } from './token.js';

/**
 * Takes gradients while the backward pass still computes others, to send them to other ranks or to measure them. A plugin
 * binds it. `gradients:ready` has all of them too, after the pass.
 */
export interface EarlyGradients {
  /** Whether to call `take` in the next iteration; if false, it costs nothing. */
  readonly wanted: boolean;
  /**
   * Called in an iteration's last backward pass with each complete gradient: the sum over this rank's micro-batches, as
   * in `gradients:ready`, in the same order in every iteration. Only for models that use `TrainingPass.read`.
   * @param gradient do not change or dispose it
   */
  take(name: string, gradient: Tensor): void;
}
export const EarlyGradients = token<EarlyGradients>('EarlyGradients');
