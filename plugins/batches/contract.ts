import { token } from '../../core/index.js';

/** `espalier/batches`: `windowStrategy` makes a batch strategy of a function from a window's number to its place. */
export { prefetchOptions, windowStrategy, type WindowsOf } from './windows/window-strategy.js';

/** What strategies are made of: counts and places of windows, reading them, an order that needs no list. */
export { permutation } from './windows/permutation.js';
export { randomWindows, readTargets, refuseShort, windowsAt, windowsIn } from './windows/windows.js';

/** Which tokens training has seen how often; bound by batch strategies that count them. */
export interface ServedTokens {
  /** The most-served ids, whose share of everything served is `1 - ignored`; most-served first. */
  nonOutlierTokens(ignored?: number): number[];
}
export const ServedTokens = token<ServedTokens>('ServedTokens');

/** Kept until 1.0: the class that strategies extended before `windowStrategy`. */
export { WindowBatches, type WindowParts } from './windows/window-strategy.js';
