import { availableParallelism } from 'node:os';
import { token } from './token.js';

/**
 * Which of the processes that train one model together this one is. A plugin that joins processes binds it;
 * else the core says that there is one. It is known before anything is built.
 */
export interface Ranks {
  /** From 0 to `size - 1`; 0 decides, and writes. */
  readonly rank: number;
  readonly size: number;
  /** Ranks on this machine, this one included: they share its cores. One when not given. */
  readonly onThisMachine?: number;
  /**
   * The mean over all ranks of each of these numbers: the same on every rank, to the last bit.
   * It returns when every rank has called it, with as many numbers: all call it at the same places of a run.
   */
  average(values: readonly number[]): readonly number[] | Promise<readonly number[]>;
}
export const Ranks = token<Ranks>('Ranks');

/** What the core binds where no plugin joins processes. */
export const oneRank: Ranks = { rank: 0, size: 1, average: (values) => values };

/** The first rank's number, on every rank; it returns when all have called it. */
export async function fromFirstRank(ranks: Ranks, value: number): Promise<number> {
  const [decided = value] = await ranks.average([ranks.rank === 0 ? ranks.size * value : 0]);
  return decided;
}

/** Cores that this rank may use where those on this machine share what the system gives the process. */
export function coresOfRank({ onThisMachine = 1 }: Ranks): number {
  return Math.max(1, Math.floor(availableParallelism() / onThisMachine));
}
