import { UsageError } from '../errors.js';
import type { Split } from '../contracts/data.js';
import type { Input } from './inputs.js';

/** Which of several preparations, each of some of the inputs, this one is. */
export interface Part {
  /** From 1 to `count`. */
  readonly number: number;
  readonly count: number;
}

/** What a part prepares. */
export interface PartInputs {
  readonly inputs: readonly Input[];
  /** For each split, whether parts before this one have inputs for it: a text of theirs then stands before its first. */
  readonly goesOn: Readonly<Record<Split, boolean>>;
}

/** `2/4`, as `--part` takes it. */
export function partName({ number, count }: Part): string {
  return `${String(number)}/${String(count)}`;
}

/** Folder of a part within that of the whole. */
export function partFolder({ number, count }: Part): string {
  return `part-${String(number)}-of-${String(count)}`;
}

/**
 * The inputs of a part, or all of them: the files of each split are dealt in runs of as many, so that the parts, one after the other,
 * are the whole.
 * @throws UsageError when nothing is left for it
 */
export function inputsOfPart(all: readonly Input[], part: Part | undefined): PartInputs {
  if (part === undefined) return { inputs: all, goesOn: { train: false, val: false } };
  const { number, count } = part;
  if (all.some(({ file }) => file === null)) {
    throw new UsageError('ESP_PREPARE_PART', '--part divides files: standard input cannot be divided; name the files');
  }
  const dealt = (of: readonly Input[]): { first: number; inputs: readonly Input[] } => {
    const first = Math.floor(((number - 1) * of.length) / count);
    return { first, inputs: of.slice(first, Math.floor((number * of.length) / count)) };
  };
  const [val, train] = [
    dealt(all.filter(({ split }) => split === 'val')),
    dealt(all.filter(({ split }) => split !== 'val')),
  ];
  if (train.inputs.length === 0) {
    const files = all.filter(({ split }) => split !== 'val').length;
    throw new UsageError(
      'ESP_PREPARE_PART',
      `--part ${partName(part)}: there are ${String(files)} files to train on, which are no ${String(count)} parts; give as many files, or ask for fewer parts`,
    );
  }
  const divided = train.inputs.some(({ split }) => split === undefined);
  return {
    inputs: [...val.inputs, ...train.inputs],
    goesOn: { train: train.first > 0, val: (divided ? train.first : val.first) > 0 },
  };
}
