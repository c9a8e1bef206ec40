import {
  BatchSource,
  Dataset,
  inject,
  Model,
  On,
  Plugin,
  RandomStreams,
  randomWindows,
  refuseShort,
  type Batch,
  type BatchProgress,
  type BatchShape,
  type Bindings,
  type Split,
} from '../../core/index.js';

/** Where it stands is the counter of its random stream, which the core keeps. */
@Plugin({ name: 'batches-random', summary: 'Uniformly random windows of the training data.', slot: 'batches' })
export default class RandomBatches implements BatchSource {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, RandomBatches);
  }

  constructor(
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {}

  @On('run:setup')
  check(): void {
    for (const split of ['train', 'val'] as const) refuseShort(this.data.split(split), split, this.model.blockSize);
  }

  next(shape: BatchShape): Batch {
    return randomWindows(this.data.split('train'), this.streams.stream('batches'), shape);
  }

  evaluation(split: Split, index: number, shape: BatchShape): Batch {
    return randomWindows(this.data.split(split), this.streams.at(`evaluation/${split}`, index), shape);
  }

  progress(): BatchProgress {
    return { shard: 0, position: this.streams.stream('batches').counter };
  }

  state(): unknown {
    return {};
  }

  restore(): void {
    // Its stream is restored with the others.
  }
}
