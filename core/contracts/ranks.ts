import { token } from './token.js';

/**
 * Which of the processes that train one model together this one is. A plugin that joins processes binds it;
 * else the core says that there is one. It is known before anything is built.
 */
export interface Ranks {
  /** From 0 to `size - 1`; 0 decides, and writes. */
  readonly rank: number;
  readonly size: number;
}
export const Ranks = token<Ranks>('Ranks');
