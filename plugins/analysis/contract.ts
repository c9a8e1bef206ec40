/** What sinks need of the family that looks into models: the event `histogram`. */
export type { Histogram } from './events.js';
