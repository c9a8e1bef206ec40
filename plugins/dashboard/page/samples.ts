import type { TextSample } from './protocol.js';

/** A run's samples, newest first. */
export interface SampledRun {
  readonly samples: readonly TextSample[];
}

/** The samples of all runs for one prompt at one iteration. */
export interface SampleRow {
  readonly prompt: string;
  /** One for each run, in their order; null if it has none at this iteration. */
  readonly texts: readonly (string | null)[];
}

/** Returns the iterations at which any run has samples, ascending. */
export function sampledIterations(runs: readonly SampledRun[]): number[] {
  const all = new Set(runs.flatMap(({ samples }) => samples.map(({ iteration }) => iteration)));
  return [...all].sort((a, b) => a - b);
}

/**
 * Returns the iteration to show: the wanted one if any run has it, else the newest that all runs with samples share, else
 * the newest of any. Undefined without samples.
 */
export function chosenIteration(runs: readonly SampledRun[], wanted: number | undefined): number | undefined {
  const all = sampledIterations(runs);
  if (wanted !== undefined && all.includes(wanted)) return wanted;
  const own = runs.filter(({ samples }) => samples.length > 0).map((run) => new Set(sampledIterations([run])));
  return all.findLast((iteration) => own.every((iterations) => iterations.has(iteration))) ?? all.at(-1);
}

/** Returns the samples at an iteration, a row for each prompt in the order in which they were written. */
export function samplesAt(runs: readonly SampledRun[], iteration: number): SampleRow[] {
  const at = runs.map(({ samples }) => samples.filter((sample) => sample.iteration === iteration));
  const prompts = new Set(at.flatMap((samples) => samples.toReversed().map(({ prompt }) => prompt)));
  return [...prompts].map((prompt) => ({
    prompt,
    texts: at.map((samples) => samples.find((sample) => sample.prompt === prompt)?.text ?? null),
  }));
}
