import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import { token } from './token.js';

export interface OptimizerStep {
  /** The trainable weights, by name. */
  parameters: ReadonlyMap<string, Variable>;
  /** Gradients of the same names and shapes; the caller disposes them. */
  gradients: ReadonlyMap<string, Tensor>;
  learningRate: number;
  /** Gradients are clipped to this global norm; 0 disables clipping. */
  gradClip: number;
  /** Global norm of the gradients, if the caller knows it. */
  gradNorm?: number;
}

/** A step whose norm nobody has read. */
export interface UnreadStep extends Omit<OptimizerStep, 'gradNorm'> {
  gradNorm: Scalar;
}

/**
 * Tensors (moments) and plain numbers (step counts) by name. A weight's entry is the weight's name plus a suffix, such
 * as `transformer.wte.weight.exp_avg`, so that it is still found if the weight is renamed in a resumed run.
 */
export interface OptimizerState {
  tensors: ReadonlyMap<string, Tensor>;
  scalars: Readonly<Record<string, number>>;
}

/** Where a weight's optimizer state comes from when the model changes shape; undefined fields mean unchanged. */
export interface Carry {
  /** The weight's name before the change. */
  readonly from: string;
  /** Along this axis, the new elements are the old ones at these indices. */
  readonly axis?: 0 | 1;
  readonly index?: readonly number[];
  /** One per index: the gradient of the new element as a share of the old one's. */
  readonly share?: readonly number[];
}

/** Updates weights from their gradients. */
export interface Optimizer {
  /** The base learning rate, which the schedule scales. */
  readonly learningRate: number;
  /**
   * Optional. Called with all weights when they are built or rebuilt, before they have values. An optimizer that trains
   * only some of them makes the others untrainable. @throws UsageError if its options do not fit the model
   */
  prepare?(parameters: ReadonlyMap<string, Variable>): void;
  /**
   * Updates the parameters in place and returns the global norm of the gradients before clipping. It may be called with
   * a subset of the weights: each weight's update is the same as when all are stepped together.
   */
  step(step: OptimizerStep): number;
  /**
   * Optional. Updates like `step`, but reads no tensor, so that an engine that `defers` can compute the pass, the norm and
   * the update together. If the norm is not finite, weights and state must keep their values.
   * @returns takes back what else the step changed (step counts): called if the norm turns out not to be finite
   */
  stepUnread?(step: UnreadStep): () => void;
  /** Returns live tensors, not copies: read them before the next step. */
  exportState(): OptimizerState;
  /**
   * Called when the model has changed shape: carries over each weight's state, and drops the state of removed weights.
   * @param carries by weight; missing weights start fresh
   */
  carry(carries: ReadonlyMap<string, Carry>): void;
  /** Restores a state, copying its tensors. @throws UsageError naming the first tensor that does not fit */
  importState(state: OptimizerState, parameters: ReadonlyMap<string, Variable>): void;
}
export const Optimizer = token<Optimizer>('Optimizer');

/** The learning rate of each iteration: a function of the config and the run's tunables only. */
export interface LearningRate {
  /** @param base the optimizer's learning rate */
  at(iteration: number, base: number): number;
}
export const LearningRate = token<LearningRate>('LearningRate');
