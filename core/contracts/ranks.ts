import { availableParallelism } from 'node:os';
import type { Tensor } from '@tensorflow/tfjs-core';
import { token } from './token.js';

/**
 * Identifies this process among those that train one model together. A plugin that joins processes binds it; otherwise
 * the core binds `oneRank`. It is known before anything is built.
 */
export interface Ranks {
  /** From 0 to `size - 1`; rank 0 decides and writes. */
  readonly rank: number;
  readonly size: number;
  /** Number of ranks on this machine, including this one: they share its cores. Default: 1. */
  readonly onThisMachine?: number;
  /**
   * Returns the mean over all ranks of each number: the same bits on every rank. It returns when every rank has called it
   * with the same number of values, so all ranks must call it at the same points of a run.
   */
  average(values: readonly number[]): readonly number[] | Promise<readonly number[]>;
}
export const Ranks = token<Ranks>('Ranks');

/** What the core binds if no plugin joins processes. */
export const oneRank: Ranks = { rank: 0, size: 1, average: (values) => values };

/** Returns rank 0's number on every rank, when all ranks have called it. */
export async function fromFirstRank(ranks: Ranks, value: number): Promise<number> {
  const [decided = value] = await ranks.average([ranks.rank === 0 ? ranks.size * value : 0]);
  return decided;
}

/** Returns how many cores this rank may use: the ranks on a machine divide up the cores of the process. */
export function coresOfRank({ onThisMachine = 1 }: Ranks): number {
  return Math.max(1, Math.floor(availableParallelism() / onThisMachine));
}

/**
 * Receives gradients while the backward pass still computes others, to send them to other ranks or to measure them. A
 * plugin binds it. After the pass, `gradients:ready` has all of them too.
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
