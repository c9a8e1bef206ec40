/** What an engine was measured to reach on this machine: the metric `mfu` is a share of it. */
export { peakFlops, remeasuredPeak, showFlops, type Peak } from './peak/peak.js';
