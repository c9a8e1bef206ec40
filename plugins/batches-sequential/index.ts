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
  windowsIn,
  type Bindings,
  type TokenReader,
} from '../../core/index.js';

const options = z.strictObject(prefetchOptions).meta({ resume: 'fixed' });

@Plugin({
  name: 'batches-sequential',
  summary: 'Windows of the training data side by side, from its start to its end and round again.',
  slot: 'batches',
  config: options,
})
export default class SequentialBatches extends WindowBatches {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, SequentialBatches);
  }

  protected override readonly passes = true;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(Dataset) data: Dataset,
    @inject(Model) model: Model,
    @inject(RandomStreams) streams: RandomStreams,
  ) {
    super({ ...config, data, model, streams });
  }

  protected override startOf(window: number, blockSize: number, reader: TokenReader): number {
    return (window % windowsIn(reader, blockSize)) * blockSize;
  }
}
