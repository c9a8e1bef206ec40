import path from 'node:path';
import { z } from 'zod';
import { UsageError, type Split } from '../../../core/index.js';
import { chatFormatSchema } from '../chat/format.js';

const piecesSchema = z.array(
  z.strictObject({
    name: z.string(),
    tokens: z.int().min(0),
    sha256: z.string(),
    /** SHA-256 of the loss mask. */
    mask: z.string().optional(),
  }),
);

/** The data that a checkpoint was trained on: each file or text, with its length and hash. */
export const contentSchema = z.strictObject({
  train: piecesSchema,
  val: piecesSchema,
  /** How conversations were written as text, if there are any. */
  chat: chatFormatSchema.optional(),
});
export type Content = z.output<typeof contentSchema>;

/** Describes the files of a split. @param hashes by file */
export function contentOf(
  files: readonly { file: string; length: number; mask?: string }[],
  hashes: ReadonlyMap<string, string>,
): Content[Split] {
  return files.map(({ file, length, mask }) => ({
    name: path.basename(file),
    tokens: length,
    sha256: hashes.get(file) ?? '',
    ...(mask === undefined ? {} : { mask: hashes.get(mask) ?? '' }),
  }));
}

/**
 * Describes the first difference, naming the file; undefined if there is none. Ignores folders, which may have moved.
 */
export function difference(was: Content, is: Content): string | undefined {
  for (const split of ['train', 'val'] as const) {
    for (const [i, before] of was[split].entries()) {
      const now = is[split][i];
      if (now === undefined) return `${before.name} (${split}) is missing`;
      if (now.name !== before.name) return `${before.name} (${split}) is now ${now.name}`;
      if (now.tokens !== before.tokens) {
        return `${now.name} (${split}) has ${String(now.tokens)} tokens and had ${String(before.tokens)}`;
      }
      if (now.sha256 !== before.sha256) return `${now.name} (${split}) has other content (another SHA-256)`;
      if (now.mask !== before.mask) return `${now.name} (${split}) has another loss mask`;
    }
    const added = is[split][was[split].length];
    if (added !== undefined) return `${added.name} (${split}) is new`;
  }
  return undefined;
}

export function changed(what: string): UsageError {
  return new UsageError(
    'ESP_DATA_CHANGED',
    `the data is not what the checkpoint was trained on: ${what}; restore the data, or resume anyway with --allow-data-change`,
  );
}
