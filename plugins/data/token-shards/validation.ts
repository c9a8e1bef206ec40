import { existsSync, statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { UsageError, type Ranks, type Tokenizer, type TokenReader } from '../../../core/index.js';
import { MemoryReader } from '../shared/memory-reader.js';
import { tokenizerIn } from '../shared/meta.js';
import { foldersOf, hashesInMeta, type Folder } from './folders.js';
import { refuseOtherContent } from './refusals.js';
import { scanShards } from './shards.js';
import { readText } from './text.js';

const place = z.string().min(1);

/** Option for validation sets by name, each a text, a folder or several folders. */
export const validationSchema = z
  .record(z.string(), z.union([place, z.array(place).min(1)]))
  .check(({ value, issues }) => {
    for (const name of Object.keys(value)) {
      if (/^[^\s,*]+$/.test(name)) continue;
      issues.push({
        code: 'custom',
        input: value,
        path: [name],
        message: 'the name of a set must not contain spaces, commas or asterisks',
      });
    }
  });

/** What other data must match. */
export interface FitsData {
  readonly tokenizer: Tokenizer | undefined;
  readonly vocabSize: number;
  /** False if the size of the vocabulary is only inferred from the ids that occur. */
  readonly knowsVocabulary: boolean;
  /** Tokens in a window. */
  readonly blockSize: number;
  readonly ranks: Ranks;
  /** Returns the absolute path of a path in the config. */
  readonly fromConfig: (file: string) => string;
}

/**
 * Opens a validation set: a whole text, or the `val` files of folders.
 * @param key with its place in the config, for errors
 * @throws UsageError when it is missing, does not match the data or is too short
 */
export async function openValidationSet(
  key: string,
  named: string | readonly string[],
  data: FitsData,
): Promise<TokenReader> {
  const names = typeof named === 'string' ? [named] : named;
  const [first = ''] = names;
  const isText = typeof named === 'string' && !isFolder(data.fromConfig(named));
  const reader = isText ? await textReader(key, first, data) : folderReader(key, names, data);
  if (reader.length > data.blockSize) return reader;
  const least = `a block of ${String(data.blockSize)} needs at least ${String(data.blockSize + 1)}`;
  throw new UsageError('ESP_DATA_SHORT', `${key} has ${String(reader.length)} tokens: ${least}; give more text`);
}

async function textReader(key: string, name: string, { tokenizer, fromConfig }: FitsData): Promise<TokenReader> {
  const shown = `${key} ${name}`;
  if (!name.startsWith('npm:') && !existsSync(fromConfig(name))) {
    const what = `there is no file or folder ${fromConfig(name)}`;
    throw new UsageError('ESP_DATA_TEXT', `${shown}: ${what}; give a text, or a folder that \`espalier prepare\` made`);
  }
  const text = readText(name, shown, fromConfig);
  if (tokenizer === undefined) {
    throw new UsageError(
      'ESP_DATA_CORPORA',
      `${shown} is a text, and the data does not say which tokenizer it was made with; give a folder of .bin files`,
    );
  }
  try {
    return new MemoryReader(await tokenizer.encode(text), name);
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    throw new UsageError(thrown.code, `${shown}: ${thrown.message}`, { cause: thrown });
  }
}

function folderReader(key: string, names: readonly string[], data: FitsData): TokenReader {
  const { ranks, vocabSize, fromConfig } = data;
  const folders = names.flatMap((name) => foldersOf(fromConfig(name), name, key, ['val']));
  for (const folder of folders) refuseOtherVocabulary(key, folder, data);
  const shards = folders.flatMap(({ found }) => found.val);
  const others = shards.filter((_, i) => i % ranks.size !== ranks.rank).map(({ file }) => file);
  const known = new Map([...hashesInMeta(folders)].filter(([file]) => others.includes(file)));
  const { reader, hashes } = scanShards(shards, vocabSize, known);
  for (const { folder, meta } of folders) refuseOtherContent(folder, meta, hashes);
  return reader;
}

function refuseOtherVocabulary(key: string, { name, meta }: Folder, data: FitsData): void {
  const { tokenizer, vocabSize, knowsVocabulary } = data;
  const own = tokenizerIn(meta);
  const hasSize = meta.vocab_size === undefined || !knowsVocabulary || meta.vocab_size === vocabSize;
  const hasTokenizer = own === undefined || tokenizer === undefined || isDeepStrictEqual(own, tokenizer.state());
  if (hasSize && hasTokenizer) return;
  const shown = (of: string | undefined, size: number | undefined): string =>
    `tokenizer ${of ?? 'unknown'}, ${size === undefined ? 'size unknown' : `${String(size)} tokens`}`;
  throw new UsageError(
    'ESP_DATA_CORPORA',
    `${key} ${name} (${shown(own?.tokenizer, meta.vocab_size)}) has another vocabulary than the data (${shown(tokenizer?.state().tokenizer, vocabSize)}); prepare it with the same tokenizer`,
  );
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}
