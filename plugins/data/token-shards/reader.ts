import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import type { SharedTokens, TokenPart, TokenReader } from '../../../core/index.js';
import { documentStarts } from './documents.js';
import type { ShardFile } from './shard-file.js';

interface SharedShards {
  readonly shards: readonly ShardFile[];
  readonly endOfText: number | undefined;
}

/** Largest number of open files: data may have more files than a process may open. */
const MOST_OPEN = 64;

/** Reads token files into one reused buffer, so memory does not grow with them. Also loaded by worker threads. */
export class ShardReader implements TokenReader {
  readonly length: number;
  readonly parts: readonly TokenPart[];
  /** Set only if a file has a loss mask. */
  readonly readTargets?: NonNullable<TokenReader['readTargets']>;
  /** Id of the token that ends a document, for shards without a `.documents` file. */
  endOfText: number | undefined;
  #documents: { readonly starts: Float64Array | undefined } | undefined;
  /** Open descriptors by file, most recently used last. */
  readonly #open = new Map<string, number>();
  #buffer = Buffer.from(new ArrayBuffer(0));
  #closed = false;

  /**
   * @param hashes SHA-256 of each file's tokens, and of the files next to it, by file
   * @param refuse makes the error for a file that has become shorter
   */
  constructor(
    readonly shards: readonly ShardFile[],
    private readonly hashes: ReadonlyMap<string, string> = new Map(),
    private readonly refuse: (message: string) => Error = (message) => new Error(message),
  ) {
    let start = 0;
    this.parts = shards.map(({ file, corpus, length }) => {
      const part = { file, corpus, start, length };
      start += length;
      return part;
    });
    this.length = start;
    if (shards.every(({ mask }) => mask === undefined)) return;
    this.readTargets = (at, count, into, offset) => {
      this.#each(at, count, (shard, from, here, done) => {
        into.set(this.readShard(shard, from, here), offset + done);
        if (shard.mask !== undefined) this.#ignore(shard.mask, from, here, into, offset + done);
      });
    };
  }

  get id(): string {
    const content = this.shards.map(({ file, length, mask }) => {
      const masked = mask === undefined ? '' : ` ${this.hashes.get(mask) ?? mask}`;
      return `${String(length)} ${this.hashes.get(file) ?? file}${masked}`;
    });
    return createHash('sha256').update(content.join('\n')).digest('hex');
  }

  read(at: number, count: number, into: Int32Array, offset: number): void {
    this.#each(at, count, (shard, from, here, done) => {
      into.set(this.readShard(shard, from, here), offset + done);
    });
  }

  documents(): Float64Array | undefined {
    return (this.#documents ??= { starts: documentStarts(this, this.endOfText) }).starts;
  }

  /** Reads tokens of one file. They are valid until the next read, which reuses the buffer. */
  readShard(shard: ShardFile, from: number, count: number): Uint16Array | Uint32Array {
    return tokensIn(this.readBytes(shard, from, count), shard.bytesPerToken);
  }

  /** Like `readShard`, but returns the bytes of the file. */
  readBytes(shard: ShardFile, from: number, count: number): Buffer<ArrayBuffer> {
    const { file, headerBytes, bytesPerToken } = shard;
    return this.#bytes(file, headerBytes + from * bytesPerToken, count * bytesPerToken);
  }

  share(): SharedTokens {
    const data: SharedShards = { shards: this.shards, endOfText: this.endOfText };
    return { module: import.meta.url, data };
  }

  close(): void {
    this.#closed = true;
    this.closeFiles();
  }

  /** Closes all files; the next read opens them again. */
  closeFiles(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  /**
   * Calls `take` with each shard that has some of the tokens: its first token to take, how many, and how many were done
   * before.
   */
  #each(at: number, count: number, take: (shard: ShardFile, from: number, here: number, done: number) => void): void {
    let done = 0;
    for (let i = this.#partAt(at); done < count && i < this.shards.length; i++) {
      const [shard, part] = [this.shards[i], this.parts[i]];
      if (shard === undefined || part === undefined) break;
      const from = at + done - part.start;
      const here = Math.min(count - done, shard.length - from);
      take(shard, from, here, done);
      done += here;
    }
    if (done < count)
      throw new RangeError(`no tokens ${String(at)} to ${String(at + count)}: there are ${String(this.length)}`);
  }

  /** Writes -1 over tokens that are not learned. */
  #ignore(mask: string, from: number, count: number, into: Int32Array, offset: number): void {
    const first = Math.floor(from / 8);
    const bits = this.#bytes(mask, first, Math.ceil((from + count) / 8) - first);
    const shift = from - 8 * first;
    for (let i = 0; i < count; i++) {
      const bit = shift + i;
      if ((((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 0) into[offset + i] = -1;
    }
  }

  /** Reads bytes of a file, which are valid until the next read. */
  #bytes(file: string, at: number, size: number): Buffer<ArrayBuffer> {
    if (this.#buffer.length < size) this.#buffer = Buffer.from(new ArrayBuffer(size));
    const bytes = this.#buffer.subarray(0, size);
    if (readSync(this.#descriptor(file), bytes, 0, size, at) < size)
      throw this.refuse(`${file} became shorter while it was read`);
    return bytes;
  }

  #descriptor(file: string): number {
    if (this.#closed) throw new Error(`${file} is closed: the run has ended`);
    const descriptor = this.#open.get(file) ?? openSync(file, 'r');
    this.#open.delete(file);
    this.#open.set(file, descriptor);
    const [oldest] = this.#open;
    if (this.#open.size > MOST_OPEN && oldest !== undefined) {
      closeSync(oldest[1]);
      this.#open.delete(oldest[0]);
    }
    return descriptor;
  }

  /** Returns the index of the part that contains a position. Skips empty files. */
  #partAt(position: number): number {
    let low = 0;
    let high = this.parts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const part = this.parts[middle];
      if (part !== undefined && part.start + part.length <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Opens, in a worker thread, what `share` returned. */
export function openTokens({ shards, endOfText }: SharedShards): TokenReader {
  const reader = new ShardReader(shards);
  reader.endOfText = endOfText;
  return reader;
}

export function tokensIn(bytes: Buffer<ArrayBuffer>, bytesPerToken: 2 | 4): Uint16Array | Uint32Array {
  const count = bytes.length / bytesPerToken;
  if (bytesPerToken === 2) {
    if (endianness() === 'BE') bytes.swap16();
    return new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  }
  if (endianness() === 'BE') bytes.swap32();
  return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
}
