import { z } from 'zod';
import type { Batch, BatchProgress, BatchShape, BatchSource, Dataset, Split, TokenReader } from '../contracts/data.js';
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

/**
 * A batch strategy that is a function of one number: it says where window 0, 1, 2, … of the run starts.
 * Reading ahead, evaluation, and going on at the same window after a resume come with it.
 */
export abstract class WindowBatches implements BatchSource {
  /** Windows served. */
  #served = 0;
  #ahead: Prefetch | undefined;

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

  next(shape: BatchShape): Batch {
    const reader = this.windowParts.data.split('train');
    const batch =
      this.windowParts.prefetch === 0
        ? windowsAt(reader, this.#startsFrom(this.#served, shape, reader), shape)
        : this.#aheadOf(shape, reader).take();
    this.#served += shape.batchSize;
    return batch;
  }

  evaluation(split: Split, index: number, shape: BatchShape): Batch {
    const { data, streams } = this.windowParts;
    return randomWindows(data.split(split), streams.at(`evaluation/${split}`, index), shape);
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
    await ahead?.close();
  }

  /** A new one where the shape or the data is another than that of the batches ahead. */
  #aheadOf(shape: BatchShape, reader: TokenReader): Prefetch {
    const { batchSize, blockSize } = shape;
    const before = this.#ahead;
    if (before?.reader === reader && before.shape.batchSize === batchSize && before.shape.blockSize === blockSize) {
      return before;
    }
    void before?.close();
    let asked = this.#served;
    this.#ahead = new Prefetch(reader, { batchSize, blockSize }, this.windowParts.prefetch, () => {
      const starts = this.#startsFrom(asked, shape, reader);
      asked += batchSize;
      return starts;
    });
    return this.#ahead;
  }

  #startsFrom(window: number, { batchSize, blockSize }: BatchShape, reader: TokenReader): number[] {
    return Array.from({ length: batchSize }, (_, row) => this.startOf(window + row, blockSize, reader));
  }
}
