import { z } from 'zod';
import type {
  Batch,
  BatchProgress,
  BatchShape,
  BatchSource,
  Dataset,
  Rows,
  Split,
  TokenReader,
} from '../contracts/data.js';
import type { Model } from '../contracts/model.js';
import { On } from '../plugins/plugin.js';
import type { RandomStreams } from '../random/streams.js';
import { Prefetch } from './prefetch.js';
import { randomWindows, refuseShort, windowsAt, windowsIn } from './windows.js';

/** The options that every strategy of windows has: spread into its own. */
export const prefetchOptions = {
  prefetch: z
    .int()
    .min(0)
    .max(1024)
    .default(8)
    .describe('batches that a worker thread reads ahead; 0: read in the loop')
    .meta({ resume: 'free' }),
};

const stateSchema = z.strictObject({ windows: z.int().min(0) });

/** What `WindowBatches` works with, from the constructor of the strategy. */
export interface WindowParts {
  readonly data: Dataset;
  readonly model: Model;
  readonly streams: RandomStreams;
  /** `prefetch` of the strategy's options. */
  readonly prefetch: number;
}

/** Which windows of a batch are read: `rows` of it, in the whole of `shape`. */
interface Part {
  readonly reader: TokenReader;
  readonly shape: BatchShape;
  readonly rows: Rows;
}

/**
 * A batch strategy that is a function of one number: it says where window 0, 1, 2, … of the run starts.
 * Reading ahead, evaluation, going on at the same window after a resume, and reading one rank's rows alone come with it.
 */
export abstract class WindowBatches implements BatchSource {
  /** Windows served, to all ranks together. */
  #served = 0;
  #ahead: { readonly of: Part; readonly live: Prefetch } | undefined;

  constructor(private readonly windowParts: WindowParts) {}

  /**
   * Where a window starts: from 0 to `reader.length - blockSize - 1`, as its last target is one token on.
   * A function of these and of the run's seed alone: it is called ahead of time, and again after a resume.
   */
  protected abstract startOf(window: number, blockSize: number, reader: TokenReader): number;

  /** Whether it goes over the windows that stand side by side in passes, each once in every pass. */
  protected readonly passes: boolean = false;

  @On('run:setup')
  checkLengths(): void {
    const { data, model } = this.windowParts;
    for (const split of ['train', 'val'] as const) refuseShort(data.split(split), split, model.blockSize);
  }

  next(shape: BatchShape, rows: Rows = { first: 0, count: shape.batchSize }): Batch {
    const part = { reader: this.windowParts.data.split('train'), shape, rows };
    const batch =
      this.windowParts.prefetch === 0
        ? windowsAt(part.reader, this.#startsFrom(this.#served, part), shapeOf(part))
        : this.#aheadOf(part).take();
    this.#served += shape.batchSize;
    return batch;
  }

  evaluation(split: Split, index: number, shape: BatchShape, rows?: Rows): Batch {
    const { data, streams } = this.windowParts;
    return randomWindows(data.split(split), streams.at(`evaluation/${split}`, index), shape, rows);
  }

  progress(): BatchProgress {
    const { data, model } = this.windowParts;
    const reader = data.split('train');
    const start = this.#served === 0 ? 0 : this.startOf(this.#served - 1, model.blockSize, reader);
    const shard = reader.parts.findLastIndex((part) => part.start <= start);
    const position = start - (reader.parts[shard]?.start ?? 0);
    if (!this.passes) return { shard, position };
    const count = windowsIn(reader, model.blockSize);
    return { shard, position, progress: (this.#served % count) / count };
  }

  state(): unknown {
    return { windows: this.#served };
  }

  restore(state: unknown): void {
    this.#served = stateSchema.parse(state).windows;
    void this.dispose();
  }

  async dispose(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.live.close();
  }

  /** A new one where what is asked for is another part than that of the batches ahead. */
  #aheadOf(part: Part): Prefetch {
    if (this.#ahead !== undefined && isSame(this.#ahead.of, part)) return this.#ahead.live;
    void this.#ahead?.live.close();
    let asked = this.#served;
    const live = new Prefetch(part.reader, shapeOf(part), this.windowParts.prefetch, () => {
      const starts = this.#startsFrom(asked, part);
      asked += part.shape.batchSize;
      return starts;
    });
    this.#ahead = { of: part, live };
    return live;
  }

  #startsFrom(window: number, { reader, shape, rows }: Part): number[] {
    const first = window + rows.first;
    return Array.from({ length: rows.count }, (_, row) => this.startOf(first + row, shape.blockSize, reader));
  }
}

function shapeOf({ shape: { blockSize }, rows }: Part): BatchShape {
  return { batchSize: rows.count, blockSize };
}

function isSame(a: Part, b: Part): boolean {
  return (
    a.reader === b.reader &&
    a.shape.batchSize === b.shape.batchSize &&
    a.shape.blockSize === b.shape.blockSize &&
    a.rows.first === b.rows.first &&
    a.rows.count === b.rows.count
  );
}
