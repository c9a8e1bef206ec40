import { createHash } from 'node:crypto';
import type { SharedTokens, TokenPart, TokenReader } from '../../../core/index.js';
import { DocumentStarts } from './document-starts.js';

/** What is known about tokens besides their ids. */
export interface TokensKnown {
  /** [tokens]: targets, -1 for tokens excluded from the loss. Default: all tokens count. */
  readonly targets?: Int32Array | undefined;
  /** Position at which each document begins. Default: found by `endOfText`. */
  readonly documents?: Float64Array | undefined;
  /** Id of the token that ends a document. */
  readonly endOfText?: number | undefined;
}

interface SharedMemory extends TokensKnown {
  readonly tokens: Int32Array;
  readonly corpus: string;
}

/** Reads tokens in shared memory, which worker threads read without copying. */
export class MemoryReader implements TokenReader {
  readonly length: number;
  readonly parts: readonly TokenPart[];
  readonly readTargets?: NonNullable<TokenReader['readTargets']>;
  #id: string | undefined;
  readonly #memory: SharedMemory;
  #documents: Float64Array | undefined;

  /** @param corpus the config's name for the tokens */
  constructor(tokens: Int32Array, corpus: string, known: TokensKnown = {}) {
    const targets = known.targets === undefined ? undefined : shared(known.targets);
    this.#memory = { ...known, tokens: shared(tokens), targets, corpus };
    this.#documents = known.documents;
    this.length = tokens.length;
    this.parts = [{ corpus, file: undefined, start: 0, length: tokens.length }];
    if (targets === undefined) return;
    this.readTargets = (at, count, into, offset) => {
      this.#copy(targets, at, count, into, offset);
    };
  }

  get id(): string {
    const { tokens, targets } = this.#memory;
    return (this.#id ??= [tokens, ...(targets === undefined ? [] : [targets])]
      .reduce(
        (hash, { buffer, byteOffset, byteLength }) => hash.update(new Uint8Array(buffer, byteOffset, byteLength)),
        createHash('sha256'),
      )
      .digest('hex'));
  }

  read(at: number, count: number, into: Int32Array, offset: number): void {
    this.#copy(this.#memory.tokens, at, count, into, offset);
  }

  documents(): Float64Array | undefined {
    const { tokens, endOfText } = this.#memory;
    if (this.#documents !== undefined || endOfText === undefined) return this.#documents;
    const starts = new DocumentStarts();
    starts.scan(tokens, 0, endOfText, true);
    return (this.#documents = starts.all());
  }

  share(): SharedTokens {
    return { module: import.meta.url, data: this.#memory };
  }

  #copy(from: Int32Array, at: number, count: number, into: Int32Array, offset: number): void {
    if (at < 0 || at + count > this.length)
      throw new RangeError(`no tokens ${String(at)} to ${String(at + count)}: there are ${String(this.length)}`);
    into.set(from.subarray(at, at + count), offset);
  }
}

/** Opens, in a worker thread, what `share` returned. */
export function openTokens({ tokens, corpus, ...known }: SharedMemory): TokenReader {
  return new MemoryReader(tokens, corpus, known);
}

function shared(values: Int32Array): Int32Array {
  if (values.buffer instanceof SharedArrayBuffer) return values;
  const copy = new Int32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
