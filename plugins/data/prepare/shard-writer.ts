import { endianness } from 'node:os';
import type { Split } from '../../../core/index.js';
import { besideName, type ShardFacts } from '../shared/meta.js';
import { MaskFile, StartsFile } from './beside-shard.js';
import { HashedFile } from './hashed-file.js';

export type Tokens = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

interface OpenShard {
  readonly ids: HashedFile;
  readonly starts: StartsFile;
  readonly mask: MaskFile | undefined;
  tokens: number;
}

export interface ShardLayout {
  /** Tokens per shard. */
  readonly shardTokens: number;
  /** Bytes per id. */
  readonly width: 2 | 4;
  /** Whether shards have a loss mask, because some tokens are not learned. */
  readonly masked: boolean;
}

const STAGE_BYTES = 1 << 20;
const FORMAT = 1;

/** Writes the tokens of a split to shards, under temporary names that mark them as incomplete. */
export class ShardWriter {
  tokens = 0;
  /** Number of learned tokens, if shards have a loss mask. */
  learned = 0;
  readonly #stage: Buffer<ArrayBuffer>;
  readonly #shards: ShardFacts[] = [];
  #staged = 0;
  #open: OpenShard | undefined;

  constructor(
    private readonly folder: string,
    private readonly split: Split,
    private readonly layout: ShardLayout,
  ) {
    this.#stage = Buffer.from(new ArrayBuffer(STAGE_BYTES));
  }

  /** Records that a document begins with the next token. */
  startDocument(): void {
    const shard = (this.#open ??= this.#next());
    shard.starts.write(shard.tokens);
  }

  /**
   * @param learned 1 for each learned token, if shards have a loss mask
   * @throws UsageError when writing fails
   */
  write(tokens: Tokens, learned?: Uint8Array): void {
    const { shardTokens, width } = this.layout;
    for (let from = 0; from < tokens.length;) {
      const shard = (this.#open ??= this.#next());
      const room = Math.min(shardTokens - shard.tokens, (STAGE_BYTES - this.#staged) / width);
      const part = tokens.subarray(from, from + room);
      this.#stage.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), this.#staged);
      if (learned !== undefined) shard.mask?.write(learned.subarray(from, from + part.length));
      this.#staged += part.byteLength;
      shard.tokens += part.length;
      from += part.length;
      if (this.#staged === STAGE_BYTES) this.#flush();
      if (shard.tokens === shardTokens) this.#close();
    }
    this.tokens += tokens.length;
  }

  /** Closes the last shard. The shards keep their partial names. */
  finish(): readonly ShardFacts[] {
    this.#close();
    return this.#shards;
  }

  /** Closes open files without finishing them. */
  abandon(): void {
    const { ids, starts, mask } = this.#open ?? {};
    for (const file of [ids, starts?.file, mask?.file]) file?.abandon();
    this.#open = undefined;
  }

  #next(): OpenShard {
    const name = `${this.split}_${String(this.#shards.length + 1).padStart(6, '0')}.bin`;
    const mask = this.layout.masked ? new MaskFile(this.folder, besideName(name, 'mask')) : undefined;
    const starts = new StartsFile(this.folder, besideName(name, 'documents'));
    return { ids: new HashedFile(this.folder, name), starts, mask, tokens: 0 };
  }

  #flush(): void {
    const shard = this.#open;
    if (shard === undefined || this.#staged === 0) return;
    const bytes = this.#stage.subarray(0, this.#staged);
    if (endianness() === 'BE') swap(bytes, this.layout.width);
    shard.ids.write(bytes);
    this.#staged = 0;
  }

  #close(): void {
    const shard = this.#open;
    if (shard === undefined) return;
    this.#flush();
    const { ids, starts, mask, tokens } = shard;
    const sha256 = ids.finish();
    const documents = { format: FORMAT, file: starts.file.name, sha256: starts.finish() } as const;
    this.learned += mask?.learned ?? 0;
    const masked = mask && { mask: { format: FORMAT, file: mask.file.name, sha256: mask.finish() } as const };
    this.#shards.push({ file: ids.name, tokens, sha256, ...masked, documents });
    this.#open = undefined;
  }
}

function swap(bytes: Buffer, width: 2 | 4): void {
  if (width === 2) bytes.swap16();
  else bytes.swap32();
}
