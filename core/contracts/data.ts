import { token } from './token.js';

export type Split = 'train' | 'val';

/** A piece of a sequence of tokens: a file, or a text in memory. */
export interface TokenPart {
  /** What it belongs to, as the config names it: the folder or the text. */
  readonly corpus: string;
  /** Absolute path of the file; undefined for tokens in memory. */
  readonly file: string | undefined;
  /** Position of its first token in the sequence. */
  readonly start: number;
  readonly length: number;
}

/** How a worker thread opens the same tokens: `module` exports `openTokens(data)`, which returns the reader. */
export interface SharedTokens {
  /** URL of a module that is quick to load. */
  readonly module: string;
  /** What can be posted to a worker. */
  readonly data: unknown;
}

/** Random access to a sequence of tokens that need not fit in memory. A dataset whose tokens change gives a new one. */
export interface TokenReader {
  /** Number of tokens. */
  readonly length: number;
  /** What it consists of, in order and without gaps. */
  readonly parts: readonly TokenPart[];
  /** Names the content: another one when any token is another. */
  readonly id: string;
  /** The same tokens for a worker thread. */
  share(): SharedTokens;
  /** Copies `count` tokens from position `at` into `into` (from index `offset`); `at + count <= length`. */
  read(at: number, count: number, into: Int32Array, offset: number): void;
}

/** The tokens that a run trains on and is measured on. Opened in `run:setup`. */
export interface Dataset {
  /** Number of different token ids. */
  readonly vocabSize: number;
  /** One line for the log: what the data is and how much. */
  readonly description: string;
  split(name: Split): TokenReader;
  /** The tokenizer the data was made with, where it is known. */
  readonly tokenizer: Tokenizer | undefined;
}
export const Dataset = token<Dataset>('Dataset');

/**
 * Text to token ids and back: `decode(encode(text)) === text` for every text of the vocabulary. A tokenizer may answer
 * at once or with a promise: await what it returns.
 */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Id of the token that stands between texts, where there is one. */
  readonly endOfText?: number;
  /**
   * Whether a text may be cut between two neighbouring characters, given as code points: in every text, its tokens are
   * then those up to `left`, and those of `left` and what follows it without those of `left` alone. `prepare` streams
   * long texts by it; without it, each text is encoded whole.
   */
  readonly canCut?: (left: number, right: number) => boolean;
  /** `encode` answers with a promise and works in threads of its own: `prepare` then starts no worker threads. */
  readonly background?: boolean;
  /** @throws UsageError naming the first piece of text that has no token */
  encode(text: string): Int32Array | Promise<Int32Array>;
  decode(ids: ArrayLike<number>): string | Promise<string>;
  /** What `fromState` of the same plugin needs to make it again; JSON. */
  state(): TokenizerState;
}
/** JSON with the name of the tokenizer plugin, e.g. `{ tokenizer: 'char', characters: 'abc' }`. */
export interface TokenizerState {
  tokenizer: string;
  [key: string]: unknown;
}

/** Makes tokenizers; bound by tokenizer plugins. */
export interface TokenizerFactory {
  /** Learns (or just makes) the tokenizer for a text. */
  forText(text: string): Tokenizer | Promise<Tokenizer>;
  /** Makes one again from its state. @throws UsageError when the state is not this plugin's. */
  fromState(state: TokenizerState): Tokenizer | Promise<Tokenizer>;
  /**
   * The tokenizer of several texts as one, from the state of each text's own.
   * Only tokenizers that learn from the text have it: `espalier prepare` then reads everything twice.
   */
  combine?(states: readonly TokenizerState[]): Tokenizer | Promise<Tokenizer>;
}
export const TokenizerFactory = token<TokenizerFactory>('TokenizerFactory');

/** Makes the tokenizer that data or a checkpoint names, whatever the config says; the core binds it. */
export interface Tokenizers {
  /**
   * The tokenizer that a state was taken from.
   * @param configured the config's own, which is asked first: a tokenizer from outside has no name to find it by
   */
  fromState(state: TokenizerState, configured?: TokenizerFactory): Promise<Tokenizer>;
}
export const Tokenizers = token<Tokenizers>('Tokenizers');

/**
 * Input ids and the ids that follow them, row by row: both [batchSize, blockSize], row-major. A target of -1 is ignored:
 * it is not part of the loss.
 */
export interface Batch {
  inputs: Int32Array;
  targets: Int32Array;
  batchSize: number;
  blockSize: number;
}

export interface BatchShape {
  batchSize: number;
  blockSize: number;
}

/** Rows `first` … `first + count - 1` of a batch. */
export interface Rows {
  readonly first: number;
  readonly count: number;
}

/** Where a batch source stands, for logs. */
export interface BatchProgress {
  shard: number;
  position: number;
  /** Share of the training data served in this pass, 0 to 1; undefined where there are no passes. */
  progress?: number;
}

/**
 * A batch strategy: which windows of the data are served, in which order.
 * What is served is a function of the seed and of what was served before, never of the clock.
 */
export interface BatchSource {
  /**
   * The next training micro-batch, of all ranks together.
   * @param rows those that this rank trains on. A strategy that can gives these alone, and goes on as if it had given
   *   all; one that gives the whole batch does right too: the core takes the rows out of it
   */
  next(shape: BatchShape, rows?: Rows): Batch | Promise<Batch>;
  /** Batch `index` of an evaluation of `split`: the same index gives the same batch. @param rows as of `next` */
  evaluation(split: Split, index: number, shape: BatchShape, rows?: Rows): Batch;
  /** Where it stands. */
  progress(): BatchProgress;
  /** Small, JSON; with `restore` the same batches follow. */
  state(): unknown;
  restore(state: unknown): void;
}
export const BatchSource = token<BatchSource>('BatchSource');
