export { ServedTokens } from './windows/served-tokens.js';
export { permutation } from './windows/permutation.js';
export {
  prefetchOptions,
  WindowBatches,
  windowStrategy,
  type WindowParts,
  type WindowsOf,
} from './windows/window-batches.js';
export { randomWindows, refuseShort, windowsAt, windowsIn } from './windows/windows.js';
