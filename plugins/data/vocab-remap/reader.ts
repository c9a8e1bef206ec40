import { createHash } from 'node:crypto';
import type { SharedTokens, TokenPart, TokenReader } from '../../../core/index.js';

interface RemappedShare {
  /** Module that opens the tokens in a worker. */
  readonly opener: string;
  readonly inner: SharedTokens;
  readonly ids: Int32Array;
}

/** Maps the ids of another reader. Also loaded by worker threads. */
export class RemappedReader implements TokenReader {
  readonly length: number;
  readonly parts: readonly TokenPart[];
  readonly readTargets?: NonNullable<TokenReader['readTargets']>;

  /** @param ids [vocabulary]: the new id of each token, in shared memory */
  constructor(
    private readonly inner: TokenReader,
    private readonly ids: Int32Array,
    private readonly opener: string,
  ) {
    this.length = inner.length;
    this.parts = inner.parts;
    if (inner.readTargets === undefined) return;
    this.readTargets = (at, count, into, offset) => {
      inner.readTargets?.(at, count, into, offset);
      for (let i = offset; i < offset + count; i++) if (into[i] !== -1) into[i] = this.ids[into[i] ?? 0] ?? 0;
    };
  }

  get id(): string {
    return createHash('sha256').update(this.inner.id).update(new Uint8Array(this.ids.buffer)).digest('hex');
  }

  read(at: number, count: number, into: Int32Array, offset: number): void {
    this.inner.read(at, count, into, offset);
    for (let i = offset; i < offset + count; i++) into[i] = this.ids[into[i] ?? 0] ?? 0;
  }

  documents(): Float64Array | undefined {
    return this.inner.documents?.();
  }

  share(): SharedTokens {
    const data: RemappedShare = { opener: this.opener, inner: this.inner.share(), ids: this.ids };
    return { module: import.meta.url, data };
  }
}

/** Opens, in a worker thread, what `share` returned. */
export async function openTokens({ opener, inner, ids }: RemappedShare): Promise<TokenReader> {
  const { openShared } = (await import(opener)) as { openShared: (shared: SharedTokens) => Promise<TokenReader> };
  return new RemappedReader(await openShared(inner), ids, opener);
}
