import type { Tensor } from '@tensorflow/tfjs-core';
import { token } from './token.js';

/**
 * Takes gradients while the backward pass still computes others, to send them on or to count them. A plugin binds it;
 * `gradients:ready` has all of them as well, when the pass is over.
 */
export interface EarlyGradients {
  /** Whether `take` is to be called in the next iteration: where not, it costs nothing. */
  readonly wanted: boolean;
  /**
   * Called in an iteration's last backward pass with each gradient that is complete, the sum over micro-batches as `gradients:ready` has it of this rank, in
   * the same order in every iteration; of a model that reads its weights through `TrainingPass.read`.
   * @param gradient it must not be changed or disposed
   */
  take(name: string, gradient: Tensor): void;
}
export const EarlyGradients = token<EarlyGradients>('EarlyGradients');
