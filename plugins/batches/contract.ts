import { token } from '../../core/index.js';

/**
 * `espalier/batches`: `windowStrategy` makes a batch strategy from a function that maps a window's number to its
 * position.
 */
export { prefetchOptions, windowStrategy, type WindowsOf } from './windows/window-strategy.js';

/** Building blocks of strategies: counting, placing and reading windows, and a random order that needs no list. */
export { permutation } from './windows/permutation.js';
export { randomWindows, readTargets, refuseShort, windowsAt, windowsIn } from './windows/windows.js';

/** Counts how often training has seen each token; bound by batch strategies that do. */
export interface ServedTokens {
  /** Returns the most-served token ids, most-served first, that together make up `1 - ignored` of all tokens served. */
  nonOutlierTokens(ignored?: number): number[];
}
export const ServedTokens = token<ServedTokens>('ServedTokens');

/** Kept until 1.0: the class that strategies extended before `windowStrategy`. */
export { WindowBatches, type WindowParts } from './windows/window-strategy.js';
