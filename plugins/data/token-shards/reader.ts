import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import type { SharedTokens, TokenPart, TokenReader } from '../../../core/index.js';

/** How a token file is laid out: little-endian ids after a header of so many bytes. */
export interface ShardFormat {
  readonly headerBytes: number;
  readonly bytesPerToken: 2 | 4;
}

/** A token file: everything that reading it takes. */
export interface ShardFile extends ShardFormat {
  /** Absolute path. */
  readonly file: string;
  /** The folder as the config names it. */
  readonly corpus: string;
  /** Tokens. */
  readonly length: number;
}

/** Files open at a time: data may have more than a process may open. */
const MOST_OPEN = 64;

/** Token files read at positions into one reused buffer: memory does not grow with them. Loaded by worker threads too. */
export class ShardReader implements TokenReader {
  readonly length: number;
  readonly parts: readonly TokenPart[];
  /** Descriptors by file, the one used last at the end. */
  readonly #open = new Map<string, number>();
  #buffer = Buffer.from(new ArrayBuffer(0));
  #closed = false;

  /**
   * @param hashes SHA-256 of each file's tokens, by file: gathered when they are scanned
   * @param refuse makes the error for a file that became shorter
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
  }

  get id(): string {
    const content = this.shards.map(({ file, length }) => `${String(length)} ${this.hashes.get(file) ?? file}`);
    return createHash('sha256').update(content.join('\n')).digest('hex');
  }

  read(at: number, count: number, into: Int32Array, offset: number): void {
    let done = 0;
    for (let i = this.#partAt(at); done < count && i < this.shards.length; i++) {
      const [shard, part] = [this.shards[i], this.parts[i]];
      if (shard === undefined || part === undefined) break;
      const from = at + done - part.start;
      const here = Math.min(count - done, shard.length - from);
      into.set(this.readShard(shard, from, here), offset + done);
      done += here;
    }
    if (done < count)
      throw new RangeError(`no tokens ${String(at)} to ${String(at + count)}: there are ${String(this.length)}`);
  }

  /** Tokens of one file; they stand in the buffer until the next read. */
  readShard(shard: ShardFile, from: number, count: number): Uint16Array | Uint32Array {
    return tokensIn(this.readBytes(shard, from, count), shard.bytesPerToken);
  }

  /** The same as they stand in the file. */
  readBytes(shard: ShardFile, from: number, count: number): Buffer<ArrayBuffer> {
    const size = count * shard.bytesPerToken;
    if (this.#buffer.length < size) this.#buffer = Buffer.from(new ArrayBuffer(size));
    const bytes = this.#buffer.subarray(0, size);
    const got = readSync(this.#descriptor(shard.file), bytes, 0, size, shard.headerBytes + from * shard.bytesPerToken);
    if (got < size) throw this.refuse(`${shard.file} became shorter while it was read`);
    return bytes;
  }

  share(): SharedTokens {
    return { module: import.meta.url, data: this.shards };
  }

  close(): void {
    this.#closed = true;
    this.closeFiles();
  }

  /** Until they are read again. */
  closeFiles(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
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

  /** Index of the part that holds a position; empty files hold none. */
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

/** For worker threads: what `share` gave. */
export function openTokens(shards: readonly ShardFile[]): TokenReader {
  return new ShardReader(shards);
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
