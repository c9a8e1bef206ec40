import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import path from 'node:path';
import { UsageError, type Split, type TokenReader } from '../../core/index.js';
import { formatOf, type ShardFormat } from './format.js';

const SCAN_TOKENS = 1 << 20;

interface Shard extends ShardFormat {
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

/** Token files read at positions into one reused buffer: memory does not grow with them. */
export class ShardReader implements TokenReader {
  readonly length: number;
  readonly #shards: readonly Shard[];
  #buffer = Buffer.from(new ArrayBuffer(0));

  /**
   * @param bytesPerToken of files without a header of their own
   * @throws UsageError for a file that is cut off
   */
  constructor(files: readonly string[], bytesPerToken: 2 | 4) {
    let start = 0;
    const formats = files
      .map((file) => ({ file, size: statSync(file).size }))
      .map(({ file, size }) => {
        const format = formatOf(file, size, bytesPerToken);
        return { ...format, name: file, length: (size - format.headerBytes) / format.bytesPerToken };
      });
    this.#shards = formats.map((format) => {
      const shard = { ...format, file: openSync(format.name, 'r'), start };
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
      into.set(tokensIn(this.#readBytes(shard, from, here), shard.bytesPerToken), offset + done);
      done += here;
    }
    if (done < count)
      throw new RangeError(`no tokens ${String(at)} to ${String(at + count)}: there are ${String(this.length)}`);
  }

  /**
   * Reads everything once.
   * @returns the largest id, and the SHA-256 of each file's tokens where `hash` asks for it
   * @throws UsageError naming file and position of the first id that is not below `vocabSize`
   */
  scan(vocabSize: number, hash: boolean): { largest: number; hashes: Map<string, string> } {
    let largest = 0;
    const hashes = new Map<string, string>();
    for (const shard of this.#shards) {
      const digest = createHash('sha256');
      for (let at = 0; at < shard.length; at += SCAN_TOKENS) {
        const bytes = this.#readBytes(shard, at, Math.min(SCAN_TOKENS, shard.length - at));
        if (hash) digest.update(bytes);
        const tokens = tokensIn(bytes, shard.bytesPerToken);
        largest = Math.max(largest, largestOf(tokens));
        if (largest >= vocabSize) throw overVocabulary(shard.name, at, tokens, vocabSize);
      }
      hashes.set(shard.name, digest.digest('hex'));
    }
    return { largest, hashes };
  }

  close(): void {
    for (const { file } of this.#shards) closeSync(file);
  }

  /** They stand in the buffer until the next read. */
  #readBytes({ name, file, headerBytes, bytesPerToken }: Shard, from: number, count: number): Buffer<ArrayBuffer> {
    const size = count * bytesPerToken;
    if (this.#buffer.length < size) this.#buffer = Buffer.from(new ArrayBuffer(size));
    const bytes = this.#buffer.subarray(0, size);
    const got = readSync(file, bytes, 0, size, headerBytes + from * bytesPerToken);
    if (got < size) throw new UsageError('ESP_SHARD_CHANGED', `${name} became shorter while it was read`);
    return bytes;
  }
}

function tokensIn(bytes: Buffer<ArrayBuffer>, bytesPerToken: 2 | 4): Uint16Array | Uint32Array {
  const count = bytes.length / bytesPerToken;
  if (bytesPerToken === 2) {
    if (endianness() === 'BE') bytes.swap16();
    return new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  }
  if (endianness() === 'BE') bytes.swap32();
  return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
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
    `${file}: token ${String(start + at)} has the id ${String(tokens[at])}, but the vocabulary has ${String(vocabSize)} tokens; is meta.json or model.vocab_size of other data?`,
  );
}
