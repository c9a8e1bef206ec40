import type { Batch, BatchShape, Rows, TokenReader } from '../../../core/index.js';
import type { Packing } from '../documents/packing.js';
import { Prefetch } from './prefetch.js';
import { readBatch } from './read-batch.js';

/** The part of a batch that a rank reads: `rows` of a whole batch of `shape`. */
export interface BatchPart {
  readonly reader: TokenReader;
  readonly shape: BatchShape;
  readonly rows: Rows;
  /** The packing whose rows are read; undefined for windows. */
  readonly packing?: Packing;
}

/** Returns batches in order, prefetched as long as the same part is asked for. */
export class ReadAhead {
  #ahead: { readonly of: BatchPart; readonly live: Prefetch } | undefined;

  /**
   * @param depth batches to prefetch; 0 disables prefetching
   * @param numbers returns the row numbers of a part, given the rows served before it to all ranks together
   */
  constructor(
    private readonly depth: number,
    private readonly numbers: (first: number, part: BatchPart) => number[],
  ) {}

  take(first: number, part: BatchPart): Batch {
    if (this.depth > 0) return this.#of(first, part).take();
    return readBatch(part.reader, part.packing, this.numbers(first, part), part.shape.blockSize);
  }

  async close(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.live.close();
  }

  /** Returns the prefetcher of a part; starts a new one if the part has changed. */
  #of(first: number, part: BatchPart): Prefetch {
    if (this.#ahead !== undefined && isSame(this.#ahead.of, part)) return this.#ahead.live;
    void this.#ahead?.live.close();
    let asked = first;
    const shape = { batchSize: part.rows.count, blockSize: part.shape.blockSize };
    const live = new Prefetch(part.reader, shape, { depth: this.depth, packing: part.packing }, () => {
      const numbers = this.numbers(asked, part);
      asked += part.shape.batchSize;
      return numbers;
    });
    this.#ahead = { of: part, live };
    return live;
  }
}

function isSame(a: BatchPart, b: BatchPart): boolean {
  return (
    a.reader === b.reader &&
    a.packing === b.packing &&
    a.shape.batchSize === b.shape.batchSize &&
    a.shape.blockSize === b.shape.blockSize &&
    a.rows.first === b.rows.first &&
    a.rows.count === b.rows.count
  );
}
