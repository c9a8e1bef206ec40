/** Layout of a token file: little-endian ids after a header. */
export interface ShardFormat {
  readonly headerBytes: number;
  readonly bytesPerToken: 2 | 4;
}

/** A token file, with everything needed to read it. */
export interface ShardFile extends ShardFormat {
  /** Absolute path. */
  readonly file: string;
  /** The folder as the config names it. */
  readonly corpus: string;
  /** Number of tokens. */
  readonly length: number;
  /** File of its loss mask: bit i, lowest first, is 1 if token i is learned. Without it all tokens are learned. */
  readonly mask?: string;
  /** File with the positions at which documents begin, as little-endian uint64. */
  readonly documents?: string;
}
