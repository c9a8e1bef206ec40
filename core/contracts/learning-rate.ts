import { token } from './token.js';

/** The learning rate of each iteration: a function of the config and the run's tunables only. */
export interface LearningRate {
  /** @param base the optimizer's learning rate */
  at(iteration: number, base: number): number;
}
export const LearningRate = token<LearningRate>('LearningRate');
