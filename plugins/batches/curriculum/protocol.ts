import type { SharedTokens } from '../../../core/index.js';

/** What the worker thread is started with. */
export interface WorkerSetup {
  /** Module that opens the tokens in a worker. */
  readonly opener: string;
  readonly source: SharedTokens;
  /** `TokenReader.id` of the tokens. */
  readonly id: string;
  readonly vocabSize: number;
  readonly blockSize: number;
  /** Windows in a round. */
  readonly round: number;
  /** Candidates to keep after a round. */
  readonly kept: number;
  readonly sampleTokens: number;
  /** File that caches the corpus's token counts; undefined if the data is not a file. */
  readonly cache: string | undefined;
}

/** The state of the candidates to start from. */
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

/** Asks for one round: add the chunks as candidates, rank all, return the best. */
export interface Rank {
  readonly type: 'rank';
  readonly generation: number;
  /** Start position of each chunk, which is a round's number of adjacent windows. */
  readonly chunks: readonly number[];
}

/** A round: windows in the order in which they are served. */
export interface Round {
  readonly type: 'round';
  readonly generation: number;
  /** Start position of each window. */
  readonly starts: readonly number[];
  /** [round, block + 1]: the tokens of each window and the one after them. */
  readonly tokens: Int32Array<ArrayBuffer>;
  /** Start positions of the remaining candidates. */
  readonly pool: readonly number[];
}

/** The corpus's token counts over the sample; sent once, before the first round. */
export interface Corpus {
  readonly type: 'corpus';
  readonly counts: readonly number[];
  /** Why the counts could not be cached next to the data. */
  readonly note: string | undefined;
}

export interface Failed {
  readonly type: 'failed';
  readonly message: string;
}

export type Question = Begin | Rank;
export type Answer = Round | Corpus | Failed;
