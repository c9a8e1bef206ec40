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
  /** File of its loss mask: bit i, the lowest first, is 1 where token i is learned. Without it, all are. */
  readonly mask?: string;
  /** File of where documents begin in it: little-endian uint64. */
  readonly documents?: string;
}
