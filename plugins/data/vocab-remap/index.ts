import {
  BatchSource,
  Dataset,
  EventBus,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  tf,
  type Bindings,
  type EvaluationEnd,
} from '../../../core/index.js';
import { ShrunkenVocabulary } from '../../growth/contract.js';
import { RemappedDataset, remapState, type RemapState } from './dataset.js';
import { remapOptions, type RemapOptions } from './options.js';

@Plugin({
  name: 'vocab-remap',
  summary: 'Trains with a reduced vocabulary: the most frequent tokens, and one token for all others.',
  config: remapOptions,
  wraps: 'data',
  after: ['evaluation'],
  metrics: {
    'val/core_accuracy': {
      unit: 'share',
      what: 'accuracy on validation targets that are kept in the shrunken vocabulary',
    },
  },
})
export default class VocabRemap {
  static register(bindings: Bindings): void {
    bindings.wrap(Dataset, RemappedDataset);
    bindings.bind(ShrunkenVocabulary, RemappedDataset);
  }

  constructor(
    @inject(PluginConfig) private readonly config: RemapOptions,
    @inject(RemappedDataset) private readonly data: RemappedDataset,
    @inject(BatchSource) private readonly batches: BatchSource,
    @inject(Model) private readonly model: Model,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Logger) private readonly log: Logger,
  ) {}

  @On('run:setup')
  async open(): Promise<void> {
    await this.data.open();
  }

  /** Measures the accuracy on kept tokens, which shrinking the vocabulary does not make easier. */
  @On('evaluation:end')
  async measure({ iteration }: EvaluationEnd): Promise<void> {
    if (this.config.accuracy_iters === 0) return;
    const counts = { right: 0, of: 0 };
    const isKept = this.#kept();
    for (let i = 0; i < this.config.accuracy_iters; i++) this.#countRight(i, isKept, counts);
    if (counts.of === 0) return;
    const accuracy = counts.right / counts.of;
    this.log.info(`validation accuracy over the kept tokens ${(100 * accuracy).toFixed(2)} %`);
    await this.bus.dispatch('metrics', { iteration, values: { 'val/core_accuracy': accuracy } });
  }

  state(): RemapState {
    return this.data.state();
  }

  restore(state: unknown): void {
    this.data.restore(remapState.parse(state));
  }

  #countRight(index: number, isKept: (target: number) => boolean, counts: { right: number; of: number }): void {
    const shape = { batchSize: this.run.train.batch_size, blockSize: this.model.blockSize };
    const { inputs, targets, documents } = this.batches.evaluation('val', index, shape);
    const guesses = tf.tidy(() => {
      const tensor = (ids: Int32Array) => tf.tensor2d(ids, [shape.batchSize, shape.blockSize], 'int32');
      const tokens = documents && { documents: tensor(documents) };
      return tf.argMax(this.model.logits(tensor(inputs), undefined, tokens), -1).dataSync();
    });
    targets.forEach((target, i) => {
      if (!isKept(target)) return;
      counts.of++;
      if (guesses[i] === target) counts.right++;
    });
  }

  /** Returns a function that says whether a target is a kept token. */
  #kept(): (target: number) => boolean {
    const { mode, map } = this.data;
    if (mode === 'shrunken') return (target) => target !== map.rare_id && target !== -1;
    const kept = new Set(map.tokens);
    return (target) => kept.has(target);
  }
}
