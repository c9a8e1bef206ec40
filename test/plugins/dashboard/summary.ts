import type { RunSummary } from '../../../plugins/dashboard/page/protocol.js';

/** What the server says of a finished run, with other values where given. */
export function summaryOf(name: string, more: Partial<RunSummary> = {}): RunSummary {
  return {
    name,
    status: 'done',
    reasons: [],
    iteration: 3,
    maxIters: 3,
    tokens: 30,
    seconds: 1,
    metrics: [],
    detailsVersion: 0,
    named: false,
    started: null,
    settings: {},
    ...more,
  };
}
