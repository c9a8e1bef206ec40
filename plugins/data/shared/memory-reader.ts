import { createHash } from 'node:crypto';
import type { SharedTokens, TokenPart, TokenReader } from '../../../core/index.js';

/** Tokens in memory, which worker threads read where they are. */
export class MemoryReader implements TokenReader {
  readonly length: number;
  readonly parts: readonly TokenPart[];
  #id: string | undefined;
  readonly #tokens: Int32Array;

  /** @param corpus what the config calls them */
  constructor(
    tokens: Int32Array,
    private readonly corpus: string,
  ) {
    this.#tokens = tokens.buffer instanceof SharedArrayBuffer ? tokens : sharedCopy(tokens);
    this.length = tokens.length;
    this.parts = [{ corpus, file: undefined, start: 0, length: tokens.length }];
  }

  get id(): string {
    return (this.#id ??= createHash('sha256')
      .update(new Uint8Array(this.#tokens.buffer, this.#tokens.byteOffset, this.#tokens.byteLength))
      .digest('hex'));
  }

  read(at: number, count: number, into: Int32Array, offset: number): void {
    if (at < 0 || at + count > this.length)
      throw new RangeError(`no tokens ${String(at)} to ${String(at + count)}: there are ${String(this.length)}`);
    into.set(this.#tokens.subarray(at, at + count), offset);
  }

  share(): SharedTokens {
    return { module: import.meta.url, data: { tokens: this.#tokens, corpus: this.corpus } };
  }
}

/** For worker threads: what `share` gave. */
export function openTokens({ tokens, corpus }: { tokens: Int32Array; corpus: string }): TokenReader {
  return new MemoryReader(tokens, corpus);
}

function sharedCopy(tokens: Int32Array): Int32Array {
  const copy = new Int32Array(new SharedArrayBuffer(tokens.byteLength));
  copy.set(tokens);
  return copy;
}
