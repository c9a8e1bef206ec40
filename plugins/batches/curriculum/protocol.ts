import type { SharedTokens } from '../../../core/index.js';

/** What the worker thread is started with. */
export interface WorkerSetup {
  /** Module of the core that opens tokens in a worker. */
  readonly opener: string;
  readonly source: SharedTokens;
  /** `TokenReader.id` of them. */
  readonly id: string;
  readonly vocabSize: number;
  readonly blockSize: number;
  /** Windows in a round. */
  readonly round: number;
  /** Candidates that stay after a round. */
  readonly kept: number;
  readonly sampleTokens: number;
  /** File that the corpus's counts are kept in; undefined where there is none beside the data. */
  readonly cache: string | undefined;
}

/** Where the candidates stand, to go on from. */
export interface Begin {
  readonly type: 'begin';
  readonly generation: number;
  readonly alpha: number;
  /** Start positions of the candidates that were not chosen. */
  readonly pool: readonly number[];
  /** How often each token was served. */
  readonly served: readonly number[];
  /** Start positions of windows that will be served before the next round. */
  readonly queue: readonly number[];
}

/** Asks for one round: takes the chunks in as candidates, ranks all, and gives the best. */
export interface Rank {
  readonly type: 'rank';
  readonly generation: number;
  /** Where each chunk, a round's windows side by side, starts. */
  readonly chunks: readonly number[];
}

/** A round: windows in the order they are served. */
export interface Round {
  readonly type: 'round';
  readonly generation: number;
  /** Start position of each window. */
  readonly starts: readonly number[];
  /** [round, block + 1]: the tokens of each window and the one after them. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** The candidates that are left. */
  readonly pool: readonly number[];
}

/** The corpus's own counts, over the sample: told once, before the first round. */
export interface Corpus {
  readonly type: 'corpus';
  readonly counts: readonly number[];
  /** They were counted now, or why they could not be kept beside the data. */
  readonly note: string | undefined;
}

export interface Failed {
  readonly type: 'failed';
  readonly message: string;
}

export type Question = Begin | Rank;
export type Answer = Round | Corpus | Failed;
