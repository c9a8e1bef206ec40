import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { UsageError, messageOf } from '../../../core/errors.js';
import { readJsonFile } from '../../files/contract.js';
import type { StoredTensor } from '../../../core/index.js';
import { readSafetensors, readSafetensorsHeader } from './read.js';
import type { HeaderEntry } from './header.js';

export const WEIGHTS_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

const MAX_INDEX_BYTES = 1 << 26;
/** Shards are files next to the index: no folders, no hidden files. */
const SHARD_NAME = /^\w[\w.-]*$/;

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string().regex(SHARD_NAME)) });

/** A tensor, and the file that holds it. */
export interface FolderTensor extends HeaderEntry {
  readonly file: string;
}

/** Returns true for a folder with safetensors weights, in one file or in shards with an index. */
export function hasSafetensors(folder: string): boolean {
  return [WEIGHTS_FILE, INDEX_FILE].some((name) => existsSync(path.join(folder, name)));
}

/**
 * Lists the tensors of a Hugging Face folder by name, without reading them: those of `model.safetensors`, or
 * else of the shards that `model.safetensors.index.json` names.
 * @throws UsageError naming the file that is missing or damaged, or the tensor that index and shards disagree about
 */
export async function folderTensors(folder: string): Promise<Map<string, FolderTensor>> {
  const whole = path.join(folder, WEIGHTS_FILE);
  if (existsSync(whole) || !existsSync(path.join(folder, INDEX_FILE))) return tensorsOf([whole]);
  const index = path.join(folder, INDEX_FILE);
  const placed = Object.entries(await readIndex(index));
  const shards = [...new Set(placed.map(([, shard]) => shard))];
  const missing = shards.filter((shard) => !existsSync(path.join(folder, shard)));
  if (missing.length > 0) {
    throw new UsageError(
      'ESP_SAFETENSORS',
      `${index} names ${missing.join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} missing (${String(shards.length)} shards in all); download what is missing`,
    );
  }
  const tensors = await tensorsOf(shards.map((shard) => path.join(folder, shard)));
  for (const [name, shard] of placed) {
    const file = tensors.get(name)?.file;
    if (file === path.join(folder, shard)) continue;
    const where = file === undefined ? 'no shard has it' : `it is in ${path.basename(file)}`;
    throw new UsageError(
      'ESP_SAFETENSORS',
      `${index} says that tensor ${name} is in ${shard}, but ${where}: index and shards are of different models; download them again`,
    );
  }
  return tensors;
}

/** Reads tensors from their files, opening each file once. @throws UsageError as `readSafetensors` does */
export async function readFolderTensors(tensors: Iterable<FolderTensor>): Promise<Map<string, StoredTensor>> {
  const wanted = new Map<string, Set<string>>();
  for (const { file, name } of tensors) wanted.set(file, (wanted.get(file) ?? new Set()).add(name));
  const read = new Map<string, StoredTensor>();
  const { tensorMemory } = await import('../../engines/contract.js');
  for (const [file, names] of wanted) {
    for (const [name, tensor] of await readSafetensors(file, (each) => names.has(each), tensorMemory))
      read.set(name, tensor);
  }
  return read;
}

/** Returns the file names of the shards in an index. @throws UsageError when it is not an index */
export async function shardsOf(index: string): Promise<string[]> {
  return [...new Set(Object.values(await readIndex(index)))];
}

async function tensorsOf(files: readonly string[]): Promise<Map<string, FolderTensor>> {
  const tensors = new Map<string, FolderTensor>();
  for (const file of files) {
    for (const entry of await readSafetensorsHeader(file)) {
      const other = tensors.get(entry.name);
      if (other !== undefined) {
        throw new UsageError(
          'ESP_SAFETENSORS',
          `tensor ${entry.name} is in both ${other.file} and ${file}: the shards are of different models; download them again`,
        );
      }
      tensors.set(entry.name, { ...entry, file });
    }
  }
  return tensors;
}

async function readIndex(file: string): Promise<Readonly<Record<string, string>>> {
  const fail = (what: string, cause?: unknown): UsageError =>
    new UsageError('ESP_SAFETENSORS', `${file} is not a shard index: ${what}; download it again`, { cause });
  let content: unknown;
  try {
    if ((await stat(file)).size > MAX_INDEX_BYTES) throw fail('it is over 64 MiB');
    content = readJsonFile(file);
  } catch (thrown) {
    throw thrown instanceof UsageError ? thrown : fail(messageOf(thrown), thrown);
  }
  const parsed = indexSchema.safeParse(content);
  if (!parsed.success || Object.keys(parsed.data.weight_map).length === 0) {
    throw fail('it needs `weight_map`, which maps each tensor to its file');
  }
  return parsed.data.weight_map;
}
