import { token } from '../../../core/index.js';

/** Which tokens training has seen how often; bound by batch strategies that count them. */
export interface ServedTokens {
  /** The most-served ids, whose share of everything served is `1 - ignored`; most-served first. */
  nonOutlierTokens(ignored?: number): number[];
}
export const ServedTokens = token<ServedTokens>('ServedTokens');
