import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { token } from './token.js';

export interface OptimizerStep {
  /** The trainable weights, by name. */
  parameters: ReadonlyMap<string, Variable>;
  /** Gradients of the same names and shapes; the caller disposes them. */
  gradients: ReadonlyMap<string, Tensor>;
  learningRate: number;
  /** Largest global norm that gradients keep; 0 clips nothing. */
  gradClip: number;
  /** Global norm of the gradients, where the caller knows it. */
  gradNorm?: number;
}

/**
 * Tensors (moments) by name, and plain numbers (step counts) beside them. What belongs to a weight has its name and a
 * suffix, `transformer.wte.weight.exp_avg`: a weight that is called otherwise in a resumed run finds it by that.
 */
export interface OptimizerState {
  tensors: ReadonlyMap<string, Tensor>;
  scalars: Readonly<Record<string, number>>;
}

/** Where a weight's gradients come from after a step, for the optimizer: undefined fields mean as it was. */
export interface Carry {
  /** The weight before the step. */
  readonly from: string;
  /** Along this axis the new elements are those of the old one with these indices. */
  readonly axis?: 0 | 1;
  readonly index?: readonly number[];
  /** [index]: the gradient of each new element as a share of the old one's. */
  readonly share?: readonly number[];
}

/** Turns gradients into new weights. */
export interface Optimizer {
  /** The learning rate that a schedule starts from. */
  readonly learningRate: number;
  /**
   * Updates the parameters in place; returns the global norm of the gradients before clipping. It may be called with
   * some of the weights at a time: each weight's update is what it is when all are stepped together.
   */
  step(step: OptimizerStep): number;
  /** Live tensors, not copies: read them before the next step. */
  exportState(): OptimizerState;
  /**
   * The model's shape has changed: puts the state of each weight together from where its gradients come from, and
   * drops what no weight has any more. @param carries by weight; those that are missing start anew
   */
  carry(carries: ReadonlyMap<string, Carry>): void;
  /** Takes over the state (copies the tensors). @throws UsageError naming the first tensor that does not fit. */
  importState(state: OptimizerState, parameters: ReadonlyMap<string, Variable>): void;
}
export const Optimizer = token<Optimizer>('Optimizer');
