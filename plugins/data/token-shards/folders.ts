import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError, type Split } from '../../../core/index.js';
import { bytesOf, filesOf, META, readMeta, tokenizerIn, type Meta } from '../shared/meta.js';
import { partName, partOfFolder } from '../shared/part.js';
import { refuseOtherFiles, refuseUnfinished } from './refusals.js';
import type { ShardFile } from './shard-file.js';
import { shardFiles, shardOf } from './shards.js';

/** A folder of token files, before its tokens are read. */
export interface Folder {
  /** Name in the config; for a part, the name of its parent. */
  readonly name: string;
  readonly folder: string;
  readonly meta: Meta;
  readonly found: Readonly<Record<Split, ShardFile[]>>;
}

/**
 * Opens the folder that a config names, or its parts in order if `espalier prepare --part` made them.
 * @param key with its place in the config, for errors
 * @param splits that it must have
 * @throws UsageError when a split, or a part, is missing
 */
export function foldersOf(
  folder: string,
  name: string,
  key: string,
  splits: readonly Split[] = ['train', 'val'],
): Folder[] {
  const shown = `${key} ${name}`;
  const folders = partsOf(folder, shown).map((part) => look(part, name, shown));
  for (const split of splits) {
    if (folders.every(({ found }) => found[split].length === 0))
      throw new UsageError(
        'ESP_DATA_DIR',
        `${shown} has no ${split}.bin and no ${split} shards in ${folder}; make them with \`espalier prepare\``,
      );
  }
  return folders;
}

/** Returns what all folders have in common. @throws UsageError when vocabularies or chat templates differ */
export function common(folders: readonly Folder[]): Meta {
  const [first, ...others] = folders;
  if (first === undefined) return {};
  for (const other of others) {
    const same =
      other.meta.vocab_size === first.meta.vocab_size &&
      JSON.stringify(tokenizerIn(other.meta)) === JSON.stringify(tokenizerIn(first.meta));
    if (same) continue;
    throw new UsageError(
      'ESP_DATA_CORPORA',
      `data.dir: ${first.name} (${vocabularyOf(first)}) and ${other.name} (${vocabularyOf(other)}) have different vocabularies; prepare them with one tokenizer`,
    );
  }
  const chats = folders.filter(({ meta }) => meta.chat !== undefined);
  const [chat] = chats;
  const differs = chats.find(({ meta }) => JSON.stringify(meta.chat) !== JSON.stringify(chat?.meta.chat));
  if (chat !== undefined && differs !== undefined) {
    throw new UsageError(
      'ESP_DATA_CORPORA',
      `data.dir: ${chat.name} and ${differs.name} have different chat templates; prepare them with one`,
    );
  }
  return chat === undefined ? first.meta : { ...first.meta, chat: chat.meta.chat };
}

/** Returns the SHA-256 of files according to their `meta.json`, by file. */
export function hashesInMeta(folders: readonly Folder[]): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const { folder, meta } of folders) {
    for (const { file, sha256 } of filesOf([...(meta.shards?.train ?? []), ...(meta.shards?.val ?? [])])) {
      hashes.set(path.join(folder, file), sha256);
    }
  }
  return hashes;
}

function look(folder: string, name: string, shown: string): Folder {
  refuseUnfinished(folder, shown);
  const meta = readMeta(path.join(folder, META));
  const files = { train: shardFiles(folder, 'train'), val: shardFiles(folder, 'val') };
  refuseOtherFiles(folder, meta, files);
  const open = (split: Split): ShardFile[] => files[split].map((file) => shardOf(file, name, bytesOf(meta.dtype)));
  return { name, folder, meta, found: { train: open('train'), val: open('val') } };
}

/** Returns the parts in a folder (`part-2-of-4`) by number; the folder itself if it has none. */
function partsOf(folder: string, shown: string): string[] {
  // Other errors are reported when the folder is read.
  const names = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(folder) : [];
  const parts = names.flatMap((file) => {
    const part = partOfFolder(file);
    return part === undefined ? [] : [{ file, ...part }];
  });
  const [first] = parts;
  if (first === undefined) return [folder];
  const refuse = (what: string): UsageError => new UsageError('ESP_DATA_PARTS', `${shown}: ${what}`);
  const other = parts.find(({ count }) => count !== first.count);
  if (other !== undefined) throw refuse(`${first.file} and ${other.file} are from different preparations; remove one`);
  if (names.some((file) => file.endsWith('.bin')))
    throw refuse(`it holds ${first.file} and token files of its own; move one of them to another folder`);
  const sorted = parts.sort((a, b) => a.number - b.number);
  const missing = Array.from({ length: first.count }, (_, i) => i + 1).find((n, i) => sorted[i]?.number !== n);
  if (missing !== undefined) {
    const part = partName({ number: missing, count: first.count });
    throw refuse(`part ${part} is missing; prepare it with --part ${part}`);
  }
  return sorted.map(({ file }) => path.join(folder, file));
}

function vocabularyOf({ meta }: Folder): string {
  const size = meta.vocab_size === undefined ? 'size unknown' : `${String(meta.vocab_size)} tokens`;
  return `tokenizer ${tokenizerIn(meta)?.tokenizer ?? 'unknown'}, ${size}`;
}
