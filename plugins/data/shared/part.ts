import { UsageError } from '../../../core/errors.js';
import type { Split } from '../../../core/index.js';
import type { Input } from '../prepare/inputs.js';

/** One of several preparations, each of some of the inputs. */
export interface Part {
  /** From 1 to `count`. */
  readonly number: number;
  readonly count: number;
}

/** Inputs of a part. */
export interface PartInputs {
  readonly inputs: readonly Input[];
  /** For each split, whether earlier parts have inputs for it, so that a separator must come first. */
  readonly continues: Readonly<Record<Split, boolean>>;
}

/** Formats a part like `--part`: `2/4`. */
export function partName({ number, count }: Part): string {
  return `${String(number)}/${String(count)}`;
}

/** Returns the name of a part's subfolder. */
export function partFolder({ number, count }: Part): string {
  return `part-${String(number)}-of-${String(count)}`;
}

/** Returns the part that a subfolder's name stands for; undefined for other names. */
export function partOfFolder(name: string): Part | undefined {
  const [, number, count] = /^part-(\d+)-of-(\d+)$/.exec(name) ?? [];
  return number === undefined ? undefined : { number: Number(number), count: Number(count) };
}

/**
 * Returns the inputs of a part, or all inputs. Divides the files of each split into consecutive, equally large groups,
 * so that the parts in order make up the whole.
 * @throws UsageError when there are fewer files than parts
 */
export function inputsOfPart(all: readonly Input[], part: Part | undefined): PartInputs {
  if (part === undefined) return { inputs: all, continues: { train: false, val: false } };
  const { number, count } = part;
  if (all.some(({ once }) => once === true)) {
    throw new UsageError(
      'ESP_PREPARE_PART',
      '--part divides a list of files, and cannot divide standard input or a pipe; give files',
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
    continues: { train: number > 1, val: byShare ? number > 1 : firstOf(held, number) > 0 },
  };
}
