import type { Scalar, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { listToken, type TokenInputs } from '../../core/index.js';

/** One pass over a micro-batch, as a loss term sees it. */
export interface TermPass {
  /** [batch, time] int32 */
  readonly ids: Tensor2D;
  /** [batch, time] int32; -1 where nothing is learned. */
  readonly targets: Tensor2D;
  /** What the model was given beside the ids; undefined without any. */
  readonly tokens: TokenInputs | undefined;
  /** [batch, time, vocab] */
  readonly logits: Tensor3D;
  /**
   * What the head makes the logits from, [batch, time, embd].
   * @throws UsageError if the model has no `forward`
   */
  hidden(): Tensor3D;
  /** Cross-entropy of each token in nats [batch, time]; 0 where the target is -1. */
  losses(): Tensor2D;
  /** Logarithm of the sum of the exponentials of each position's logits, [batch, time]; cross-entropy has computed it. */
  logSumExp(): Tensor2D;
  /** A field of the batch, [batch, time]. @throws UsageError if it has none of that name */
  field(name: string): Tensor2D;
  /** Mean over the counted targets, with their weights, as of the cross-entropy. @param perToken [batch, time] */
  mean(perToken: Tensor): Scalar;
}

/**
 * A term of the loss beside cross-entropy, of the same forward pass: the gradient is of
 * cross-entropy + weight · term, added up over all terms. `train/loss` and `val/loss` stay cross-entropy.
 */
export interface LossTerm {
  /** Unique among the run's terms. */
  readonly name: string;
  /** The metric of its mean over an iteration, unweighted: one that its plugin declares. */
  readonly metric: string;
  /** Read at the start of each iteration: finite. 0 leaves the term out. */
  readonly weight: number;
  /** True if its operations are not the same for every pass of one shape; such passes are not repeated from a recording. */
  readonly varies?: boolean;
  /** Returns the term's mean over the counted targets of the pass, made with `pass.mean`. */
  compute(pass: TermPass): Scalar;
}
export const LossTerms = listToken<LossTerm>('LossTerms');
