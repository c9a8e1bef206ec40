/** The event `histogram`, which sinks write. */
export type { Histogram } from './events.js';
