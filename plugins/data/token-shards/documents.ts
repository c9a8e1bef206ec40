import { readFileSync } from 'node:fs';
import { UsageError } from '../../../core/errors.js';
import type { TokenPart } from '../../../core/index.js';
import { DocumentStarts } from '../shared/document-starts.js';
import type { ShardFile } from './shard-file.js';

/** Bytes per position in a `.documents` file. */
export const START_BYTES = 8;
const SCAN_TOKENS = 1 << 20;

interface Shards {
  readonly shards: readonly ShardFile[];
  readonly parts: readonly TokenPart[];
  readShard(shard: ShardFile, from: number, count: number): Uint16Array | Uint32Array;
}

/**
 * Returns the position at which each document begins, from the `.documents` files, or by end-of-text tokens for shards
 * without one.
 * @returns undefined if shards have neither
 */
export function documentStarts(reader: Shards, endOfText: number | undefined): Float64Array | undefined {
  const starts = new DocumentStarts();
  let corpus: string | undefined;
  let ended = false;
  for (const [index, shard] of reader.shards.entries()) {
    const { start = 0 } = reader.parts[index] ?? {};
    if (shard.length === 0) continue;
    if (shard.corpus !== corpus) ended = true;
    corpus = shard.corpus;
    if (shard.documents !== undefined) {
      if (ended) starts.add(start);
      for (const position of positionsIn(shard.documents, shard)) starts.add(start + position);
      ended = false;
    } else if (endOfText !== undefined) {
      for (let at = 0; at < shard.length; at += SCAN_TOKENS) {
        const tokens = reader.readShard(shard, at, Math.min(SCAN_TOKENS, shard.length - at));
        ended = starts.scan(tokens, start + at, endOfText, ended);
      }
    } else return undefined;
  }
  return starts.all();
}

/** Yields the positions in a `.documents` file. @throws UsageError when they are not ascending, or outside the shard */
function* positionsIn(file: string, shard: ShardFile): Generator<number> {
  const bytes = readFileSync(file);
  let last = -1;
  for (let at = 0; at < bytes.length; at += START_BYTES) {
    const position = bytes.readUInt32LE(at) + 2 ** 32 * bytes.readUInt32LE(at + 4);
    if (position <= last || position >= shard.length) {
      const what = `document ${String(at / START_BYTES + 1)} begins at ${String(position)}`;
      throw new UsageError(
        'ESP_SHARD_META',
        `${file}: ${what}, which is not after the previous one and within the ${String(shard.length)} tokens of the shard; prepare the data again, or copy it again`,
      );
    }
    yield (last = position);
  }
}
