import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  inject,
  Model,
  On,
  Plugin,
  PluginConfig,
  RandomStreams,
  Ranks,
  tf,
  type Batch,
  type BatchProgress,
  type BatchReady,
  type BatchShape,
  type Bindings,
  type GradientsReady,
  type IterationEnd,
  type IterationStart,
  type MicroBatchEnd,
  type Rows,
  type Split,
  type StoredTensor,
  type TokenReader,
} from '../../../core/index.js';
import { placeOf, randomWindows, refuseShort, windowsAt, windowsIn } from '../windows/windows.js';
import { Sampler, type DrawnWindow } from './sampler.js';

const options = z
  .strictObject({
    uniform: z
      .number()
      .gt(0)
      .max(1)
      .default(0.2)
      .describe('share of windows drawn uniformly; no window’s weight exceeds 1 / uniform'),
    memory: z
      .number()
      .min(0)
      .lt(1)
      .default(0.5)
      .describe('weight of the previous estimate in a window’s loss estimate; 0 uses the last loss only'),
    correct: z
      .boolean()
      .default(true)
      .describe('weight windows by 1 / (N p), which makes the gradient an unbiased estimate over all windows'),
  })
  .meta({ resume: 'fixed' });

const stateSchema = z.strictObject({ windows: z.int().min(0) });

/** Name of the estimates among a checkpoint's tensors. */
const LOSSES = 'losses';

/**
 * Sources: Katharopoulos and Fleuret, "Not all samples are created equal: deep learning with importance sampling", ICML
 * 2018 (weights 1 / (N p)); Schaul et al., "Prioritized experience replay", 2016 (p from the last losses, new samples
 * first).
 */
@Plugin({
  name: 'batches-importance',
  summary: 'Adjacent windows, drawn in proportion to a running estimate of their loss and weighted to correct for it.',
  slot: 'batches',
  config: options,
})
export default class ImportanceBatches implements BatchSource {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, ImportanceBatches);
  }

  /** Windows served to all ranks together. */
  #served = 0;
  #losses: Float32Array = new Float32Array();
  #sampler: { readonly vocabSize: number; readonly of: Sampler } | undefined;
  /** Windows drawn in this iteration for all ranks. */
  #drawn: DrawnWindow[] = [];
  /** Index in `#drawn` of this rank's first window in the current micro-batch. */
  #own = 0;
  /** Mean losses of this rank's windows, by index in `#drawn`. */
  readonly #measured = new Map<number, number>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
    @inject(Ranks) private readonly ranks: Ranks,
  ) {}

  @On('run:setup')
  checkData(): void {
    for (const split of ['train', 'val'] as const) refuseShort(this.data.split(split), split, this.model.blockSize);
  }

  @On('iteration:start')
  begin(_: IterationStart): void {
    this.#drawn = [];
    this.#measured.clear();
  }

  /** Every rank draws the windows of all ranks, so all have the same estimates. */
  next({ batchSize, blockSize }: BatchShape, rows: Rows = { first: 0, count: batchSize }): Batch {
    const reader = this.data.split('train');
    const sampler = this.#samplerOf(reader, blockSize);
    this.#own = this.#drawn.length + rows.first;
    for (let row = 0; row < batchSize; row++)
      this.#drawn.push(sampler.draw(this.streams.place('importance', this.#served + row)));
    this.#served += batchSize;
    const own = this.#drawn.slice(this.#own, this.#own + rows.count);
    const starts = own.map(({ window }) => window * blockSize);
    const batch = windowsAt(reader, starts, { batchSize: rows.count, blockSize });
    if (!this.config.correct) return batch;
    const weights = new Float32Array(rows.count * blockSize);
    for (const [row, { weight }] of own.entries()) weights.fill(weight, row * blockSize, (row + 1) * blockSize);
    return { ...batch, weights };
  }

  @On('batch:ready')
  askForLosses(ready: BatchReady): void {
    ready.tokenLosses = true;
  }

  @On('micro-batch:end')
  measure({ batch, tokenLosses }: MicroBatchEnd): void {
    for (let row = 0; row < batch.batchSize && tokenLosses !== undefined; row++) {
      const loss = meanOfRow(batch, tokenLosses, row);
      if (loss !== undefined) this.#measured.set(this.#own + row, loss);
    }
  }

  /**
   * The core has divided by the sum of the weights. Makes it the number of windows, which is that sum's expectation.
   */
  @On('gradients:ready')
  scale({ gradients }: GradientsReady): void {
    if (!this.config.correct) return;
    const mean = this.#drawn.reduce((sum, { weight }) => sum + weight, 0) / this.#drawn.length;
    for (const [name, gradient] of gradients) {
      gradients.set(name, tf.mul(gradient, mean));
      gradient.dispose();
    }
  }

  /** Updates the estimates once per iteration, so that its division into micro-batches does not matter. */
  @On('iteration:end')
  async estimate(_: IterationEnd): Promise<void> {
    const { ranks } = this;
    const own = this.#drawn.map((_window, index) => (this.#measured.get(index) ?? 0) * ranks.size);
    const counts = this.#drawn.map((_window, index) => (this.#measured.has(index) ? ranks.size : 0));
    const all = await ranks.average([...own, ...counts]);
    for (const [index, { window }] of this.#drawn.entries()) {
      const [loss = NaN, count] = [all[index], all[this.#drawn.length + index]];
      if (count === 1 && Number.isFinite(loss)) this.#sampler?.of.measured(window, loss);
    }
  }

  evaluation(split: Split, index: number, shape: BatchShape, rows?: Rows): Batch {
    return randomWindows(this.data.split(split), this.streams.at(`evaluation/${split}`, index), shape, rows);
  }

  progress(): BatchProgress {
    return placeOf(this.data.split('train'), (this.#drawn.at(-1)?.window ?? 0) * this.model.blockSize);
  }

  state(): z.output<typeof stateSchema> {
    return { windows: this.#served };
  }

  restore(state: unknown): void {
    this.#served = stateSchema.parse(state).windows;
  }

  stateTensors(): ReadonlyMap<string, StoredTensor> {
    const values = this.#losses;
    return values.length === 0 ? new Map() : new Map([[LOSSES, { shape: [values.length], values }]]);
  }

  restoreTensors(tensors: ReadonlyMap<string, StoredTensor>): void {
    this.#losses = Float32Array.from(tensors.get(LOSSES)?.values ?? []);
    this.#sampler = undefined;
  }

  /** Returns the sampler; estimates are reset if the data or the block size has changed, and with them the windows. */
  #samplerOf(reader: TokenReader, blockSize: number): Sampler {
    const { vocabSize } = this.data;
    const windows = windowsIn(reader, blockSize);
    if (this.#losses.length === windows && this.#sampler?.vocabSize === vocabSize) return this.#sampler.of;
    if (this.#losses.length !== windows) this.#losses = Sampler.unknown(windows);
    const { uniform, memory } = this.config;
    // Loss of a uniform prediction.
    const of = new Sampler(this.#losses, { uniform, memory, first: Math.log(vocabSize) });
    this.#sampler = { vocabSize, of };
    return of;
  }
}

/** Returns the mean loss over a row's targets, without ignored ones; undefined if all are ignored. */
function meanOfRow({ targets, blockSize }: Batch, losses: Float32Array, row: number): number | undefined {
  let [sum, count] = [0, 0];
  for (let at = row * blockSize; at < (row + 1) * blockSize; at++) {
    if (targets[at] === -1) continue;
    sum += losses[at] ?? 0;
    count++;
  }
  return count === 0 ? undefined : sum / count;
}
