export { cacheFolder } from './peak/cache-folder.js';
export { peakFlops, remeasuredPeak, showFlops } from './peak/peak.js';
