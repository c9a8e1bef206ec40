import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError, type Split, type TokenReader } from '../../core/index.js';

const BYTES_PER_TOKEN = 2;
const SCAN_TOKENS = 1 << 20;

interface Shard {
  readonly name: string;
  readonly file: number;
  /** Position of its first token in the split. */
  readonly start: number;
  readonly length: number;
}

/** The shards of a split in a folder (`train.bin`, or `*train_000001.bin` …), by name. */
export function shardFiles(folder: string, split: Split): string[] {
  const pattern = new RegExp(`(^|[_-])${split}([_-]?\\d+)?\\.bin$`);
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => path.join(folder, name));
}

/** Little-endian uint16 token files read at positions into one reused buffer: memory does not grow with them. */
export class ShardReader implements TokenReader {
  readonly length: number;
  readonly #shards: readonly Shard[];
  #buffer = Buffer.alloc(0);

  /** @throws UsageError for a file of odd length */
  constructor(files: readonly string[]) {
    let start = 0;
    for (const file of files) {
      const { size } = statSync(file);
      if (size % BYTES_PER_TOKEN !== 0) {
        throw new UsageError(
          'ESP_SHARD_LENGTH',
          `${file} has ${String(size)} bytes: an odd number cannot be uint16 tokens; it is cut off or not a token file`,
        );
      }
    }
    this.#shards = files.map((file) => {
      const shard = { name: file, file: openSync(file, 'r'), start, length: statSync(file).size / BYTES_PER_TOKEN };
      start += shard.length;
      return shard;
    });
    this.length = start;
  }

  read(at: number, count: number, into: Int32Array, offset: number): void {
    let done = 0;
    for (const shard of this.#shards) {
      const from = at + done - shard.start;
      if (from < 0 || from >= shard.length || done === count) continue;
      const here = Math.min(count - done, shard.length - from);
      this.#readShard(shard, from, here, into, offset + done);
      done += here;
    }
    if (done < count)
      throw new RangeError(`no tokens ${String(at)} to ${String(at + count)}: there are ${String(this.length)}`);
  }

  /** The largest id. @throws UsageError naming file and position of the first id that is not below `vocabSize` */
  scan(vocabSize: number): number {
    const chunk = new Int32Array(SCAN_TOKENS);
    let largest = 0;
    for (const shard of this.#shards) {
      for (let at = 0; at < shard.length; at += SCAN_TOKENS) {
        const count = Math.min(SCAN_TOKENS, shard.length - at);
        this.#readShard(shard, at, count, chunk, 0);
        for (let i = 0; i < count; i++) {
          const id = chunk[i] ?? 0;
          if (id >= vocabSize) throw overVocabulary(shard.name, at + i, id, vocabSize);
          if (id > largest) largest = id;
        }
      }
    }
    return largest;
  }

  close(): void {
    for (const { file } of this.#shards) closeSync(file);
  }

  #readShard({ name, file }: Shard, from: number, count: number, into: Int32Array, offset: number): void {
    const bytes = count * BYTES_PER_TOKEN;
    if (this.#buffer.length < bytes) this.#buffer = Buffer.alloc(bytes);
    const got = readSync(file, this.#buffer, 0, bytes, from * BYTES_PER_TOKEN);
    if (got < bytes) throw new UsageError('ESP_SHARD_CHANGED', `${name} became shorter while it was read`);
    for (let i = 0; i < count; i++) into[offset + i] = this.#buffer.readUInt16LE(i * BYTES_PER_TOKEN);
  }
}

function overVocabulary(file: string, position: number, id: number, vocabSize: number): UsageError {
  return new UsageError(
    'ESP_TOKEN_ID',
    `${file}: token ${String(position)} has the id ${String(id)}, but the vocabulary has ${String(vocabSize)} tokens; is meta.json or model.vocab_size of other data?`,
  );
}
