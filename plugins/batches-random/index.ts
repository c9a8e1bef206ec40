import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  inject,
  Model,
  Plugin,
  PluginConfig,
  prefetchOptions,
  RandomStreams,
  WindowBatches,
  type Bindings,
  type TokenReader,
} from '../../core/index.js';

const options = z.strictObject(prefetchOptions).meta({ resume: 'fixed' });

@Plugin({
  name: 'batches-random',
  summary: 'Uniformly random windows of the training data.',
  slot: 'batches',
  config: options,
})
export default class RandomBatches extends WindowBatches {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, RandomBatches);
  }

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(Dataset) data: Dataset,
    @inject(Model) model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {
    super({ ...config, data, model, streams });
  }

  protected override startOf(window: number, blockSize: number, reader: TokenReader): number {
    return this.streams.place('batches', window).below(reader.length - blockSize);
  }
}
