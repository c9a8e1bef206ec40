import { type Split, type Tokenizer, UsageError } from '../../../core/index.js';
import type { Job } from './jobs.js';
import { bytesOf, dtypeFor, type ShardFacts } from '../shared/meta.js';
import type { Part } from '../shared/part.js';
import { ShardWriter, type Tokens } from './shard-writer.js';
import type { Answer } from './answer.js';

/** What was written for a split. */
export interface SplitFacts {
  readonly tokens: number;
  readonly learned: number;
  readonly documents: number;
  readonly shards: readonly ShardFacts[];
}

/** What was written for all splits. */
export interface Written extends Readonly<Record<Split, SplitFacts>> {
  /** Number of documents without tokens, which are dropped. */
  readonly empty: number;
}

/** How documents are divided. */
export interface SplitOptions {
  readonly shardTokens: number;
  /** Whether documents are conversations, in which some tokens are not learned. */
  readonly chat: boolean;
  readonly valShare: number;
  /** The part being prepared, if any; a part may lack a split. */
  readonly part: Part | undefined;
  /** For each split, whether an earlier part has documents, so that a separator must come first. */
  readonly continues: Readonly<Record<Split, boolean>>;
}

/** Sends documents to training or validation shards, with the end-of-text token between them. */
export class Splits {
  readonly #writers: Readonly<Record<Split, ShardWriter>>;
  readonly #documents: Record<Split, number> = { train: 0, val: 0 };
  readonly #separator: Tokens | undefined;
  #records = 0;
  #empty = 0;
  /** Whether a document has started and has no tokens yet. */
  #pending = false;

  constructor(
    folder: string,
    { vocabSize, endOfText }: Tokenizer,
    private readonly options: SplitOptions,
  ) {
    const width = bytesOf(dtypeFor(vocabSize));
    const { shardTokens, chat } = options;
    const layout = { shardTokens, width, masked: chat };
    this.#writers = {
      train: new ShardWriter(folder, 'train', layout),
      val: new ShardWriter(folder, 'val', layout),
    };
    // Conversations need no separator: their turns have marks.
    if (!chat && endOfText !== undefined)
      this.#separator = width === 2 ? Uint16Array.of(endOfText) : Uint32Array.of(endOfText);
  }

  /** Adds the documents of a job. Jobs must come in order. */
  put({ split, starts }: Job, { tokens, ends, mask }: Answer): void {
    let from = 0;
    for (const end of ends) {
      if (starts) this.#start();
      if (end > from)
        this.#putText(split ?? this.#splitOfRecord(), tokens.subarray(from, end), mask?.subarray(from, end));
      from = end;
    }
  }

  /** Finishes all shards. @throws UsageError when a split has no tokens, unless only a part is prepared */
  finish(): Written {
    const facts = (split: Split): SplitFacts => {
      const writer = this.#writers[split];
      const shards = writer.finish();
      return { tokens: writer.tokens, learned: writer.learned, documents: this.#documents[split], shards };
    };
    if (this.#pending) this.#empty++;
    const all = { train: facts('train'), val: facts('val'), empty: this.#empty };
    const empty = (['train', 'val'] as const).find((split) => all[split].tokens === 0);
    if (empty === undefined || this.options.part !== undefined) return all;
    const left = this.#empty > 0 ? `, and ${String(this.#empty)} empty ones` : '';
    const counts = `${String(this.#documents.train)} documents for training and ${String(this.#documents.val)} for validation${left}`;
    throw new UsageError(
      'ESP_PREPARE_SPLIT',
      `there is no ${empty} text: the input has ${counts}; give more of it, another --val-share, or files with --val`,
    );
  }

  abandon(): void {
    for (const writer of Object.values(this.#writers)) writer.abandon();
  }

  #start(): void {
    if (this.#pending) this.#empty++;
    this.#pending = true;
  }

  #putText(split: Split, tokens: Tokens, mask: Uint8Array | undefined): void {
    const writer = this.#writers[split];
    if (this.#pending) {
      this.#pending = false;
      const follows = this.#documents[split] > 0 || this.options.continues[split];
      if (follows && this.#separator !== undefined) writer.write(this.#separator);
      writer.startDocument();
      this.#documents[split]++;
    }
    writer.write(tokens, mask);
  }

  /**
   * Assigns records so that validation records are evenly spread: one whenever the rounded share of records so far
   * grows.
   */
  #splitOfRecord(): Split {
    const { valShare } = this.options;
    const before = Math.round(this.#records * valShare);
    this.#records++;
    return Math.round(this.#records * valShare) > before ? 'val' : 'train';
  }
}
