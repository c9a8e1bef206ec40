import type { Dataset, TokenReader } from '../../../core/index.js';

/** Returns the names of a dataset's validation sets, without its split `val`. */
export function setsOf({ validationSets = [] }: Dataset): readonly string[] {
  return validationSets;
}

/** Returns the tokens of a named validation set. */
export function setIn(data: Dataset, name: string): TokenReader {
  const reader = data.validationSet?.(name);
  if (reader === undefined) throw new Error(`the dataset lists a validation set ${name} but does not provide it`);
  return reader;
}

/** Returns the name of the metric for its loss. */
export function lossName(name: string): string {
  return `val/loss/${name}`;
}
