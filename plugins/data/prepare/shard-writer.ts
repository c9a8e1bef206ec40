import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import path from 'node:path';
import { type Split, messageOf, UsageError } from '../../../core/index.js';
import { PARTIAL, type ShardFacts } from '../shared/meta.js';

export type Tokens = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

interface OpenShard {
  readonly file: string;
  readonly descriptor: number;
  readonly hash: Hash;
  tokens: number;
}

const STAGE_BYTES = 1 << 20;

/** Writes the tokens of a split into shards of so many tokens, under names that say they are not whole. */
export class ShardWriter {
  tokens = 0;
  readonly #stage: Buffer<ArrayBuffer>;
  readonly #shards: ShardFacts[] = [];
  #staged = 0;
  #open: OpenShard | undefined;

  constructor(
    private readonly folder: string,
    private readonly split: Split,
    private readonly shardTokens: number,
    private readonly width: 2 | 4,
  ) {
    this.#stage = Buffer.from(new ArrayBuffer(STAGE_BYTES));
  }

  /** @throws UsageError when the disk does not take them */
  write(tokens: Tokens): void {
    for (let from = 0; from < tokens.length;) {
      const shard = (this.#open ??= this.#next());
      const room = Math.min(this.shardTokens - shard.tokens, (STAGE_BYTES - this.#staged) / this.width);
      const part = tokens.subarray(from, from + room);
      this.#stage.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), this.#staged);
      this.#staged += part.byteLength;
      shard.tokens += part.length;
      from += part.length;
      if (this.#staged === STAGE_BYTES) this.#flush();
      if (shard.tokens === this.shardTokens) this.#close();
    }
    this.tokens += tokens.length;
  }

  /** Closes the last shard. The shards keep their partial names. */
  finish(): readonly ShardFacts[] {
    this.#close();
    return this.#shards;
  }

  /** Closes what is open, and leaves it as it is. */
  abandon(): void {
    if (this.#open !== undefined) closeSync(this.#open.descriptor);
    this.#open = undefined;
  }

  #next(): OpenShard {
    const number = String(this.#shards.length + 1).padStart(6, '0');
    const file = `${this.split}_${number}.bin`;
    const descriptor = this.#toDisk(file, () => openSync(path.join(this.folder, file + PARTIAL), 'w'));
    return { file, descriptor, tokens: 0, hash: createHash('sha256') };
  }

  #flush(): void {
    const shard = this.#open;
    if (shard === undefined || this.#staged === 0) return;
    const bytes = this.#stage.subarray(0, this.#staged);
    if (endianness() === 'BE') swap(bytes, this.width);
    shard.hash.update(bytes);
    this.#toDisk(shard.file, () => {
      for (let at = 0; at < bytes.length;) at += writeSync(shard.descriptor, bytes, at);
    });
    this.#staged = 0;
  }

  #close(): void {
    const shard = this.#open;
    if (shard === undefined) return;
    this.#flush();
    this.#toDisk(shard.file, () => {
      fsyncSync(shard.descriptor);
    });
    closeSync(shard.descriptor);
    this.#shards.push({ file: shard.file, tokens: shard.tokens, sha256: shard.hash.digest('hex') });
    this.#open = undefined;
  }

  #toDisk<T>(file: string, work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw notWritten(path.join(this.folder, file), thrown);
    }
  }
}

/** The error of a write that the disk refused. */
export function notWritten(file: string, thrown: unknown): UsageError {
  const full = thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOSPC' || thrown.code === 'EDQUOT');
  const what = full
    ? 'the disk is full; make room, or name a folder on another disk with --out'
    : `${messageOf(thrown)}; name another folder with --out`;
  return new UsageError('ESP_PREPARE_WRITE', `${file} cannot be written: ${what}`, { cause: thrown });
}

function swap(bytes: Buffer, width: 2 | 4): void {
  if (width === 2) bytes.swap16();
  else bytes.swap32();
}
