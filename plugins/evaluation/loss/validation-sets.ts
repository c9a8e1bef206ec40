import type { Dataset, TokenReader } from '../../../core/index.js';

/** Names of the validation sets that a dataset has besides its split `val`. */
export function setsOf({ validationSets = [] }: Dataset): readonly string[] {
  return validationSets;
}

/** The tokens of one of them. */
export function setIn(data: Dataset, name: string): TokenReader {
  const reader = data.validationSet?.(name);
  if (reader === undefined) throw new Error(`the dataset names a validation set ${name} and does not give it`);
  return reader;
}

/** The metric of its loss. */
export function lossName(name: string): string {
  return `val/loss/${name}`;
}
