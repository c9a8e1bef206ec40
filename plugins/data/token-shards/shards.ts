import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError, type Split } from '../../../core/index.js';
import { besideKinds, besideName } from '../shared/meta.js';
import { formatOf } from './format.js';
import { START_BYTES } from './documents.js';
import { ShardReader, tokensIn } from './reader.js';
import type { ShardFile } from './shard-file.js';

const SCAN_TOKENS = 1 << 20;

/** Returns the shards of a split in a folder (`train.bin`, or `*train_000001.bin` …), sorted by name. */
export function shardFiles(folder: string, split: Split): string[] {
  const pattern = new RegExp(`(^|[_-])${split}([_-]?\\d+)?\\.bin$`);
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/**
 * Describes a token file.
 * @param corpus the folder as the config names it
 * @param bytesPerToken of a file without a header
 * @throws UsageError for a file that is cut off
 */
export function shardOf(file: string, corpus: string, bytesPerToken: 2 | 4): ShardFile {
  const { size } = statSync(file);
  const format = formatOf(file, size, bytesPerToken);
  const length = (size - format.headerBytes) / format.bytesPerToken;
  const mask = sizedBeside(file, 'mask', (bytes) => bytes === Math.ceil(length / 8), `${String(length)} bits`);
  const whole = (bytes: number): boolean => bytes % START_BYTES === 0;
  const documents = sizedBeside(file, 'documents', whole, `whole numbers of ${String(8 * START_BYTES)} bits`);
  return { ...format, file, corpus, length, ...mask, ...documents };
}

/** Returns a file next to a shard, if it exists. @param wanted what it must contain, for the error */
function sizedBeside(
  shard: string,
  kind: 'mask' | 'documents',
  isWhole: (bytes: number) => boolean,
  wanted: string,
): { mask?: string; documents?: string } {
  const file = besideName(shard, kind);
  const size = file === shard ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) return {};
  if (isWhole(size)) return { [kind]: file };
  throw new UsageError(
    'ESP_SHARD_LENGTH',
    `${file} has ${String(size)} bytes and must hold ${wanted}: it is cut off, or belongs to another ${path.basename(shard)}`,
  );
}

/** Result of reading all tokens once. */
export interface Scanned {
  readonly reader: ShardReader;
  readonly largest: number;
  /** SHA-256 of each file's tokens, and of the files next to it, either computed or known. */
  readonly hashes: ReadonlyMap<string, string>;
}

/**
 * Reads every token once, file by file.
 * @param known SHA-256 by file, of files to skip because another rank reads them
 * @throws UsageError naming file and position of the first id that is not below `vocabSize`
 */
export function scanShards(
  shards: readonly ShardFile[],
  vocabSize: number,
  known: ReadonlyMap<string, string> = new Map(),
): Scanned {
  const hashes = new Map(known);
  const reader = new ShardReader(shards, hashes, (message) => new UsageError('ESP_SHARD_CHANGED', message));
  let largest = 0;
  for (const shard of shards) {
    if (known.has(shard.file)) continue;
    const digest = createHash('sha256');
    for (let at = 0; at < shard.length; at += SCAN_TOKENS) {
      const bytes = reader.readBytes(shard, at, Math.min(SCAN_TOKENS, shard.length - at));
      digest.update(bytes);
      const tokens = tokensIn(bytes, shard.bytesPerToken);
      largest = Math.max(largest, largestOf(tokens));
      if (largest >= vocabSize) throw overVocabulary(shard.file, at, tokens, vocabSize);
    }
    hashes.set(shard.file, digest.digest('hex'));
    for (const kind of besideKinds) {
      const file = shard[kind];
      if (file !== undefined) hashes.set(file, hashOf(file));
    }
    reader.closeFiles();
  }
  return { reader, largest, hashes };
}

function hashOf(file: string): string {
  const digest = createHash('sha256');
  const bytes = Buffer.alloc(1 << 20);
  const descriptor = openSync(file, 'r');
  try {
    for (let read = -1; read !== 0;) {
      read = readSync(descriptor, bytes);
      digest.update(bytes.subarray(0, read));
    }
  } finally {
    closeSync(descriptor);
  }
  return digest.digest('hex');
}

function largestOf(tokens: Uint16Array | Uint32Array): number {
  let largest = 0;
  for (let i = 0; i < tokens.length; i++) {
    const id = tokens[i] ?? 0;
    if (id > largest) largest = id;
  }
  return largest;
}

function overVocabulary(file: string, start: number, tokens: Uint16Array | Uint32Array, vocabSize: number): UsageError {
  const at = tokens.findIndex((id) => id >= vocabSize);
  return new UsageError(
    'ESP_TOKEN_ID',
    `${file}: token ${String(start + at)} has the id ${String(tokens[at])}, but the vocabulary has ${String(vocabSize)} tokens; check meta.json and model.vocab_size, which may belong to other data`,
  );
}
