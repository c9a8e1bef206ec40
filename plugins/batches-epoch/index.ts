import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  inject,
  Model,
  Plugin,
  permutation,
  PluginConfig,
  prefetchOptions,
  RandomStreams,
  WindowBatches,
  windowsIn,
  type Bindings,
  type TokenReader,
} from '../../core/index.js';

const options = z.strictObject(prefetchOptions).meta({ resume: 'fixed' });

@Plugin({
  name: 'batches-epoch',
  summary: 'Every window of the training data once an epoch, in another random order each time.',
  slot: 'batches',
  config: options,
})
export default class EpochBatches extends WindowBatches {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, EpochBatches);
  }

  protected override readonly passes = true;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(Dataset) data: Dataset,
    @inject(Model) model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {
    super({ ...config, data, model, streams });
  }

  /** The order of one epoch of so many windows, computed place by place. */
  #order: { epoch: number; count: number; at: (index: number) => number } | undefined;

  protected override startOf(window: number, blockSize: number, reader: TokenReader): number {
    const count = windowsIn(reader, blockSize);
    const epoch = Math.floor(window / count);
    if (this.#order?.epoch !== epoch || this.#order.count !== count) {
      this.#order = { epoch, count, at: permutation(count, this.streams.place('epoch', epoch)) };
    }
    return this.#order.at(window % count) * blockSize;
  }
}
