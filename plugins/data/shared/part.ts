import { UsageError } from '../../../core/errors.js';
import type { Split } from '../../../core/index.js';
import type { Input } from '../prepare/inputs.js';

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

/** The part whose folder has that name; undefined for other names. */
export function partOfFolder(name: string): Part | undefined {
  const [, number, count] = /^part-(\d+)-of-(\d+)$/.exec(name) ?? [];
  return number === undefined ? undefined : { number: Number(number), count: Number(count) };
}

/**
 * The inputs of a part, or all of them: the files of each split are dealt in runs of as many, so that the parts, one after the other,
 * are the whole.
 * @throws UsageError when there are fewer files than parts
 */
export function inputsOfPart(all: readonly Input[], part: Part | undefined): PartInputs {
  if (part === undefined) return { inputs: all, goesOn: { train: false, val: false } };
  const { number, count } = part;
  if (all.some(({ once }) => once === true)) {
    throw new UsageError(
      'ESP_PREPARE_PART',
      '--part divides a list of files, and cannot divide standard input or a pipe; name files',
    );
  }
  const held = all.filter(({ split }) => split === 'val');
  const trained = all.filter(({ split }) => split !== 'val');
  if (trained.length < count) {
    throw new UsageError(
      'ESP_PREPARE_PART',
      `--part ${partName(part)}: ${String(trained.length)} files to train on cannot be divided into ${String(count)} parts; ask for fewer, or give more files`,
    );
  }
  const firstOf = (of: readonly Input[], part: number): number => Math.floor(((part - 1) * of.length) / count);
  const dealt = (of: readonly Input[]): readonly Input[] => of.slice(firstOf(of, number), firstOf(of, number + 1));
  const byShare = trained.some(({ split }) => split === undefined);
  return {
    inputs: [...dealt(held), ...dealt(trained)],
    goesOn: { train: number > 1, val: byShare ? number > 1 : firstOf(held, number) > 0 },
  };
}
