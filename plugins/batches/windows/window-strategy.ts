import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  type Batch,
  type BatchProgress,
  type BatchShape,
  type Rows,
  type Split,
  type TokenReader,
  Model,
  inject,
  On,
  Plugin,
  PluginConfig,
  type Bindings,
  type PluginClass,
  RandomStreams,
} from '../../../core/index.js';
import { ReadAhead, type BatchPart } from './read-ahead.js';
import { placeOf, randomWindows, refuseShort, windowsIn } from './windows.js';

/** The option of every strategy of windows. */
export const prefetchOptions = {
  prefetch: z
    .int()
    .min(0)
    .max(1024)
    .default(8)
    .describe('batches to prefetch in a worker thread; 0 disables prefetching')
    .meta({ resume: 'free' }),
};

/** What the position of a window may depend on, other than its number. */
export interface WindowsOf<Options> {
  /** The training data. */
  readonly reader: TokenReader;
  /** Tokens in a window; its last target is the token after it. */
  readonly blockSize: number;
  /** The run's random numbers: `streams.place(name, n)` returns the same stream for the same n. */
  readonly streams: RandomStreams;
  readonly options: Options;
}

export interface WindowStrategy<Own extends z.ZodRawShape> {
  /** Unique; the name used in configs, logs and checkpoints. */
  readonly name: string;
  /** One sentence, shown by `espalier plugins`. */
  readonly summary: string;
  /** Options in addition to `prefetch`: describe each, and give defaults. */
  readonly options?: Own;
  /** Whether the strategy serves adjacent windows in passes, each once per pass. Default false. */
  readonly passes?: boolean;
  /**
   * Returns a function that maps a window's number (0, 1, 2, … in the run) to its start: a position from 0 to
   * `reader.length - blockSize - 1`. That function must depend on the number alone, because it is called ahead of time
   * and again after a resume. `starts` is called in `run:setup`, and again if the data or the block size changes.
   */
  readonly starts: (of: WindowsOf<z.output<z.ZodObject<Own>>>) => (window: number) => number;
}

/**
 * Makes a plugin for the slot `batches` from a function that maps a window's number to its position in the data.
 * Prefetching, evaluation, exact resume and reading only one rank's rows come with it.
 */
export function windowStrategy<Own extends z.ZodRawShape = typeof prefetchOptions>(
  strategy: WindowStrategy<Own>,
): PluginClass {
  const { name, summary, options, passes = false, starts } = strategy;
  const config = z.strictObject({ ...options, ...prefetchOptions }).meta({ resume: 'fixed' });
  @Plugin({ name, summary, slot: 'batches', config })
  class FromFunction extends WindowSource {
    static register(bindings: Bindings): void {
      bindings.bind(BatchSource, FromFunction);
    }

    constructor(
      @inject(PluginConfig) config: z.output<z.ZodObject<Own>> & { readonly prefetch: number },
      @inject(Dataset) data: Dataset,
      @inject(Model) model: Model,
      @inject(RandomStreams) streams: RandomStreams,
    ) {
      const { prefetch } = config;
      super({ data, model, streams, prefetch }, (of) => starts({ ...of, options: config }), passes);
    }
  }
  return FromFunction;
}

/** What a source of windows needs from the run. */
export interface WindowParts {
  readonly data: Dataset;
  readonly model: Model;
  readonly streams: RandomStreams;
  /** `prefetch` of the strategy's options. */
  readonly prefetch: number;
}

const stateSchema = z.strictObject({ windows: z.int().min(0) });

/** Serves the windows of one run by number. */
class WindowSource implements BatchSource {
  /** Windows served to all ranks together. */
  #served = 0;
  #starts:
    { readonly reader: TokenReader; readonly blockSize: number; readonly at: (window: number) => number } | undefined;
  readonly #ahead: ReadAhead;

  constructor(
    private readonly windowParts: WindowParts,
    private readonly starts: (of: Omit<WindowsOf<unknown>, 'options'>) => (window: number) => number,
    /** Whether adjacent windows are served in passes, each once per pass. */
    protected readonly passes: boolean,
  ) {
    this.#ahead = new ReadAhead(windowParts.prefetch, (first, part) => this.#startsFrom(first, part));
  }

  @On('run:setup')
  checkData(): void {
    const { data, model } = this.windowParts;
    for (const split of ['train', 'val'] as const) refuseShort(data.split(split), split, model.blockSize);
    this.#startsIn(data.split('train'), model.blockSize);
  }

  next(shape: BatchShape, rows: Rows = { first: 0, count: shape.batchSize }): Batch {
    const batch = this.#ahead.take(this.#served, { reader: this.windowParts.data.split('train'), shape, rows });
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
    const start = this.#served === 0 ? 0 : this.#startsIn(reader, model.blockSize)(this.#served - 1);
    const place = placeOf(reader, start);
    if (!this.passes) return place;
    const count = windowsIn(reader, model.blockSize);
    return { ...place, progress: (this.#served % count) / count };
  }

  state(): unknown {
    return { windows: this.#served };
  }

  restore(state: unknown): void {
    this.#served = stateSchema.parse(state).windows;
    void this.dispose();
  }

  async dispose(): Promise<void> {
    await this.#ahead.close();
  }

  #startsIn(reader: TokenReader, blockSize: number): (window: number) => number {
    if (this.#starts?.reader !== reader || this.#starts.blockSize !== blockSize) {
      const at = this.starts({ reader, blockSize, streams: this.windowParts.streams });
      this.#starts = { reader, blockSize, at };
    }
    return this.#starts.at;
  }

  #startsFrom(window: number, { reader, shape, rows }: BatchPart): number[] {
    const first = window + rows.first;
    const startOf = this.#startsIn(reader, shape.blockSize);
    return Array.from({ length: rows.count }, (_, row) => startOf(first + row));
  }
}

/** Kept until 1.0 for plugins that extend it. Use `windowStrategy` instead. */
export abstract class WindowBatches extends WindowSource {
  protected override readonly passes: boolean = false;

  constructor(parts: WindowParts) {
    super(
      parts,
      ({ reader, blockSize }) =>
        (window) =>
          this.startOf(window, blockSize, reader),
      false,
    );
  }

  protected abstract startOf(window: number, blockSize: number, reader: TokenReader): number;
}
