/** `espalier/batches`: `windowStrategy` makes a batch strategy of a function from a window's number to its place. */
export { prefetchOptions, windowStrategy, type WindowsOf } from './windows/window-batches.js';

/** What strategies are made of: counts and places of windows, reading them, an order that needs no list. */
export { permutation } from './windows/permutation.js';
export { randomWindows, refuseShort, windowsAt, windowsIn } from './windows/windows.js';

/** How often each token was served, where the strategy counts it. */
export { ServedTokens } from './windows/served-tokens.js';

/** Kept until 1.0: the class that strategies extended before `windowStrategy`. */
export { WindowBatches, type WindowParts } from './windows/window-batches.js';
