import {
  inject,
  Plugin,
  PluginConfig,
  RandomStreams,
  type Bindings,
  type MemoryNeed,
  type PlannedShape,
  type StoredTensor,
  type tf,
  type WeightSources,
} from '../../../core/index.js';
import { memoryNeeded } from '../decoder/costs.js';
import { bindDecoder, Decoder } from '../decoder/decoder.js';
import type { Layers } from '../decoder/layers.js';
import type { SharedView } from '../inspection/inspectable.js';
import { blueprintOf } from './blueprint.js';
import { gptOptions, type GptConfig } from './config.js';
import { head, hiddenStates } from './forward.js';
import { descriptionOf, weightSources } from './stored.js';

/** Source: Radford et al., "Language models are unsupervised multitask learners", 2019; exact GELU, tied head. */
@Plugin({
  name: 'gpt',
  summary: 'GPT-2: pre-LayerNorm blocks, learned positions, head tied to the embedding.',
  slot: 'model',
  config: gptOptions,
})
export default class Gpt extends Decoder {
  static register(bindings: Bindings): void {
    bindDecoder(bindings, Gpt);
  }

  static memoryNeeded(config: GptConfig, shape: PlannedShape): MemoryNeed {
    return memoryNeeded(blueprintOf(config), shape);
  }

  constructor(
    @inject(PluginConfig) private readonly config: GptConfig,
    @inject(RandomStreams) streams: RandomStreams,
  ) {
    super(blueprintOf(config), streams);
  }

  get description(): Record<string, unknown> {
    return descriptionOf(this.config, this.architecture);
  }

  weightSources(stored: ReadonlyMap<string, StoredTensor>): WeightSources {
    return weightSources(stored, this.parameters());
  }

  shareView(): SharedView {
    return { module: new URL('./inspect.js', import.meta.url).href, data: this.config };
  }

  protected hiddenStates(layers: Layers, ids: tf.Tensor2D): tf.Tensor3D {
    return hiddenStates(this.config, layers, ids);
  }

  protected head<T extends tf.Tensor>(layers: Layers, hidden: T): T {
    return head(layers, hidden);
  }
}
