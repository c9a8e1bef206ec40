import type { Scalar, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { listToken, type TokenInputs } from '../../core/index.js';

/** A pass over a micro-batch, as seen by a loss term. */
export interface TermPass {
  /** [batch, time] int32 */
  readonly ids: Tensor2D;
  /** [batch, time] int32; -1 where no token is learned. */
  readonly targets: Tensor2D;
  /** The model's further inputs besides the ids; undefined if there are none. */
  readonly tokens: TokenInputs | undefined;
  /** [batch, time, vocab] */
  readonly logits: Tensor3D;
  /**
   * Returns the input of the output head, [batch, time, embd].
   * @throws UsageError if the model has no `forward`
   */
  hidden(): Tensor3D;
  /** Returns the cross-entropy of each token in nats, [batch, time]; 0 where the target is -1. */
  losses(): Tensor2D;
  /** Returns the log-sum-exp of each position's logits, [batch, time], which the cross-entropy has already computed. */
  logSumExp(): Tensor2D;
  /** Returns a field of the batch, [batch, time]. @throws UsageError if the batch has no such field */
  field(name: string): Tensor2D;
  /** Returns the weighted mean over the counted targets, as for the cross-entropy. @param perToken [batch, time] */
  mean(perToken: Tensor): Scalar;
}

/**
 * A loss term that is added to the cross-entropy of the same forward pass: the differentiated loss is cross-entropy +
 * weight · term, summed over all terms. `train/loss` and `val/loss` remain the cross-entropy.
 */
export interface LossTerm {
  /** Unique among the run's terms. */
  readonly name: string;
  /** Metric for its unweighted mean over an iteration; the plugin must declare it. */
  readonly metric: string;
  /** Finite; read at the start of each iteration. 0 leaves the term out. */
  readonly weight: number;
  /** True if its operations differ between passes of one shape; such passes are not replayed. */
  readonly varies?: boolean;
  /** Returns the term's mean over the counted targets of the pass, made with `pass.mean`. */
  compute(pass: TermPass): Scalar;
}
export const LossTerms = listToken<LossTerm>('LossTerms');
