import { HashedFile } from './hashed-file.js';

const STAGE_BYTES = 1 << 17;
const START_BYTES = 8;

/** Writes the positions at which documents begin in a shard, as little-endian uint64. */
export class StartsFile {
  readonly file: HashedFile;
  readonly #stage = Buffer.alloc(STAGE_BYTES);
  #staged = 0;

  constructor(folder: string, name: string) {
    this.file = new HashedFile(folder, name);
  }

  /** @param position of the document's first token in the shard */
  write(position: number): void {
    this.#stage.writeUInt32LE(position % 2 ** 32, this.#staged);
    this.#stage.writeUInt32LE(Math.floor(position / 2 ** 32), this.#staged + 4);
    this.#staged += START_BYTES;
    if (this.#staged === STAGE_BYTES) this.#flush();
  }

  finish(): string {
    this.#flush();
    return this.file.finish();
  }

  #flush(): void {
    this.file.write(this.#stage.subarray(0, this.#staged));
    this.#staged = 0;
  }
}

/** Writes the loss mask of a shard: one bit per token, lowest bit first. */
export class MaskFile {
  readonly file: HashedFile;
  /** Number of learned tokens. */
  learned = 0;
  readonly #stage = Buffer.alloc(STAGE_BYTES);
  #bits = 0;

  constructor(folder: string, name: string) {
    this.file = new HashedFile(folder, name);
  }

  /** @param learned 1 for each learned token, else 0 */
  write(learned: Uint8Array): void {
    const stage = this.#stage;
    for (let i = 0; i < learned.length; i++) {
      const bit = learned[i] ?? 0;
      const at = this.#bits >> 3;
      stage[at] = (stage[at] ?? 0) | (bit << (this.#bits & 7));
      this.learned += bit;
      if (++this.#bits === 8 * STAGE_BYTES) this.#flush();
    }
  }

  finish(): string {
    this.#flush();
    return this.file.finish();
  }

  #flush(): void {
    this.file.write(this.#stage.subarray(0, Math.ceil(this.#bits / 8)));
    this.#stage.fill(0);
    this.#bits = 0;
  }
}
