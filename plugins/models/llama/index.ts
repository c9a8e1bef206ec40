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
import { rotaryFrequencies } from '../../ops/contract.js';
import { memoryNeeded } from '../decoder/costs.js';
import { bindDecoder, Decoder } from '../decoder/decoder.js';
import type { Layers } from '../decoder/layers.js';
import type { SharedView } from '../inspection/inspectable.js';
import { blueprintOf } from './blueprint.js';
import { headsOf, llamaOptions, type LlamaConfig } from './config.js';
import { head, hiddenStates } from './forward.js';
import { descriptionOf, weightSources } from './stored.js';

/**
 * Sources: Touvron et al., "LLaMA: open and efficient foundation language models", 2023, section 2.2; fewer key and
 * value heads: Ainslie et al., "GQA", 2023. With other options it is SmolLM, Qwen 2, Qwen 3, or Mistral within its
 * window.
 */
@Plugin({
  name: 'llama',
  summary: 'Llama: RMSNorm, rotary positions, grouped-query attention, SwiGLU.',
  slot: 'model',
  config: llamaOptions,
})
export default class Llama extends Decoder {
  static register(bindings: Bindings): void {
    bindDecoder(bindings, Llama);
  }

  static memoryNeeded(config: LlamaConfig, shape: PlannedShape): MemoryNeed {
    return memoryNeeded(blueprintOf(config), shape);
  }

  constructor(
    @inject(PluginConfig) private readonly config: LlamaConfig,
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
    const { rotary_base, rotary_scaling } = this.config;
    const frequencies = rotaryFrequencies(headsOf(this.config).headDim, rotary_base, rotary_scaling);
    return { module: new URL('./inspect.js', import.meta.url).href, data: { config: this.config, frequencies } };
  }

  protected hiddenStates(layers: Layers, ids: tf.Tensor2D): tf.Tensor3D {
    return hiddenStates(this.config, layers, ids);
  }

  protected head<T extends tf.Tensor>(layers: Layers, hidden: T): T {
    return head(this.config, layers, hidden);
  }
}
