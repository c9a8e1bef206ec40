import { token } from './token.js';

/** The learning rate of every iteration, a function of nothing else. */
export interface LearningRate {
  /** @param base the optimizer's learning rate */
  at(iteration: number, base: number): number;
}
export const LearningRate = token<LearningRate>('LearningRate');
