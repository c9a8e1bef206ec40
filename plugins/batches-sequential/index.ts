import { z } from 'zod';
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
  windowsAt,
  type Batch,
  type BatchProgress,
  type BatchShape,
  type Bindings,
  type Split,
} from '../../core/index.js';

@Plugin({
  name: 'batches-sequential',
  summary: 'Windows of the training data side by side, from its start to its end and round again.',
  slot: 'batches',
})
export default class SequentialBatches implements BatchSource {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, SequentialBatches);
  }

  #position = 0;

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
    const reader = this.data.split('train');
    const starts = Array.from({ length: shape.batchSize }, () => {
      // A window needs the token after it too.
      if (this.#position + shape.blockSize >= reader.length) this.#position = 0;
      const start = this.#position;
      this.#position += shape.blockSize;
      return start;
    });
    return windowsAt(reader, starts, shape);
  }

  evaluation(split: Split, index: number, shape: BatchShape): Batch {
    return randomWindows(this.data.split(split), this.streams.at(`evaluation/${split}`, index), shape);
  }

  progress(): BatchProgress {
    return { shard: 0, position: this.#position, progress: this.#position / this.data.split('train').length };
  }

  state(): { position: number } {
    return { position: this.#position };
  }

  restore(state: unknown): void {
    this.#position = z.object({ position: z.int().min(0) }).parse(state).position;
  }
}
