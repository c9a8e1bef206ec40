import { token } from './token.js';

export type Split = 'train' | 'val';

/** A piece of a sequence of tokens: a file, or a text in memory. */
export interface TokenPart {
  /** The folder or text that it belongs to, as the config names it. */
  readonly corpus: string;
  /** Absolute path of the file; undefined for tokens in memory. */
  readonly file: string | undefined;
  /** Position of its first token in the sequence. */
  readonly start: number;
  readonly length: number;
}

/** How a worker thread opens the same tokens: `module` exports `openTokens(data)`, which returns a `TokenReader`. */
export interface SharedTokens {
  /** URL of a module that loads fast. */
  readonly module: string;
  /** What can be posted to a worker. */
  readonly data: unknown;
}

/** Random access to a sequence of tokens that need not fit in memory. A dataset whose tokens change returns a new one. */
export interface TokenReader {
  /** Number of tokens. */
  readonly length: number;
  /** Its parts, in order and without gaps. */
  readonly parts: readonly TokenPart[];
  /** Content hash; changes whenever any token changes. */
  readonly id: string;
  /** How a worker thread opens the same tokens. */
  share(): SharedTokens;
  /** Copies `count` tokens from position `at` into `into` (from index `offset`); `at + count <= length`. */
  read(at: number, count: number, into: Int32Array, offset: number): void;
  /** Optional. Like `read`, but with -1 for tokens that do not count in the loss. Default: the tokens themselves. */
  readTargets?(at: number, count: number, into: Int32Array, offset: number): void;
  /** Optional. Returns where each document begins, ascending, the first at 0; undefined if unknown. */
  documents?(): Float64Array | undefined;
}

/** The tokens that a run trains on and is evaluated on. Opened in `run:setup`. */
export interface Dataset {
  /** Number of different token ids. */
  readonly vocabSize: number;
  /** One line for the log: what the data is, and its size. */
  readonly description: string;
  split(name: Split): TokenReader;
  /** Optional. Names of further validation sets, known at construction. */
  readonly validationSets?: readonly string[];
  /** Optional. Returns the tokens of one of them. */
  validationSet?(name: string): TokenReader;
  /** The tokenizer that the data was made with, if known. */
  readonly tokenizer: Tokenizer | undefined;
}
export const Dataset = token<Dataset>('Dataset');

/**
 * Converts text to token ids and back: `decode(encode(text)) === text` for every text in the vocabulary. Methods return
 * a value or a promise: await the result.
 */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Id of the token that separates texts, if there is one. */
  readonly endOfText?: number;
  /**
   * Returns whether a text may be cut between two neighbouring characters, given as code points: the tokens of the
   * whole are then those of the two parts, where the second part is encoded after `left` and without its tokens.
   * `prepare` uses this to stream long texts; without it, each text is encoded whole.
   */
  readonly canCut?: (left: number, right: number) => boolean;
  /** True if `encode` returns a promise and runs in threads of its own: `prepare` then starts no worker threads. */
  readonly background?: boolean;
  /** @throws UsageError naming the first piece of text that has no token */
  encode(text: string): Int32Array | Promise<Int32Array>;
  decode(ids: ArrayLike<number>): string | Promise<string>;
  /** Returns what `fromState` of the same plugin needs to make it again; JSON. */
  state(): TokenizerState;
}
/** JSON with the name of the tokenizer plugin, e.g. `{ tokenizer: 'char', characters: 'abc' }`. */
export interface TokenizerState {
  tokenizer: string;
  [key: string]: unknown;
}

/** Makes tokenizers; tokenizer plugins bind it. */
export interface TokenizerFactory {
  /** Makes the tokenizer for a text, and trains it on the text if necessary. */
  forText(text: string): Tokenizer | Promise<Tokenizer>;
  /** Restores a tokenizer from its state. @throws UsageError if the state is not this plugin's */
  fromState(state: TokenizerState): Tokenizer | Promise<Tokenizer>;
  /**
   * Combines tokenizers trained on several texts into one, from their states.
   * Only tokenizers that train on the text have it: `espalier prepare` then reads everything twice.
   */
  combine?(states: readonly TokenizerState[]): Tokenizer | Promise<Tokenizer>;
}
export const TokenizerFactory = token<TokenizerFactory>('TokenizerFactory');

/** Makes the tokenizer that data or a checkpoint names, whatever the config says. The core binds it. */
export interface Tokenizers {
  /**
   * Restores the tokenizer that a state was taken from.
   * @param configured the config's own factory, tried first: a tokenizer from outside cannot be found by name
   */
  fromState(state: TokenizerState, configured?: TokenizerFactory): Promise<Tokenizer>;
}
export const Tokenizers = token<Tokenizers>('Tokenizers');

/** Input ids and the ids that follow them: [batchSize, blockSize], row-major, like every per-token array here. */
export interface Batch {
  inputs: Int32Array;
  /** Targets of -1 are left out of the loss. */
  targets: Int32Array;
  batchSize: number;
  blockSize: number;
  /** Weight of each target in the loss and its gradient: finite and at least 0. Default: 1 each. */
  weights?: Float32Array;
  /**
   * Document number of each input: neighbouring tokens of a row with the same number are one document. Attention does
   * not cross documents. Default: each row is one document.
   */
  documents?: Int32Array;
  /** Extra arrays of a plugin, by a name of its own; loss terms receive them as tensors. */
  fields?: Readonly<Record<string, Int32Array | Float32Array>>;
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

/** Position of a batch source, for logs. */
export interface BatchProgress {
  shard: number;
  position: number;
  /** Share of the training data served in this pass, 0 to 1; undefined for strategies without passes. */
  progress?: number;
}

/**
 * A batch strategy: which windows of the data are served, and in which order. Batches are a function of the seed and of
 * the batches served before, never of the clock.
 */
export interface BatchSource {
  /**
   * Returns the next training micro-batch, of all ranks together.
   * @param rows the rows that this rank trains on. A strategy may return only these, and then advances as if it had
   *   returned all; if it returns the whole batch, the core takes the rows from it
   */
  next(shape: BatchShape, rows?: Rows): Batch | Promise<Batch>;
  /** Returns batch `index` of an evaluation of `split`: the same index gives the same batch. @param rows as in `next` */
  evaluation(split: Split, index: number, shape: BatchShape, rows?: Rows): Batch;
  /** Returns its position, for logs. */
  progress(): BatchProgress;
  /** Returns a small JSON value; restoring it makes the same batches follow. */
  state(): unknown;
  restore(state: unknown): void;
}
export const BatchSource = token<BatchSource>('BatchSource');
