import type { RunSummary } from './protocol.js';

/** Number of runs that are selected at first: as many as have colours that are easy to tell apart. */
const FIRST_SELECTED = 8;

/** Returns runs that train first, then the newest start first. */
export function inOrder(runs: readonly RunSummary[]): RunSummary[] {
  const isRunning = (run: RunSummary): number => Number(run.status === 'running');
  const start = (run: RunSummary): string => run.started ?? '';
  return runs.toSorted(
    (a, b) => isRunning(b) - isRunning(a) || (start(a) > start(b) ? -1 : Number(start(a) < start(b))),
  );
}

/** Returns the runs that are selected at first: those that the user named, else the first few. */
export function firstSelection(runs: readonly RunSummary[]): string[] {
  const named = runs.filter((run) => run.named);
  return (named.length > 0 ? named : runs.slice(0, FIRST_SELECTED)).map(({ name }) => name);
}
