import type { StoredTensor } from '../../../core/index.js';
import type { HeadSizes } from '../../ops/contract.js';
import { activate, layerNorm, rotate } from '../decoder/kernels/plain.js';
import { DecoderView } from '../decoder/view.js';
import type { ModelView } from '../inspection/inspectable.js';
import { gptOptions, type GptConfig } from './config.js';

/** Creates the view of a copy of this model's weights; loaded by worker threads. @param config the model's options */
export function viewModel(config: unknown, weights: ReadonlyMap<string, StoredTensor>): ModelView {
  return new GptView(gptOptions.parse(config), weights);
}

class GptView extends DecoderView {
  readonly #heads: HeadSizes;

  constructor(
    private readonly config: GptConfig,
    weights: ReadonlyMap<string, StoredTensor>,
  ) {
    const { n_head, n_embd, lora_alpha } = config;
    const heads = { heads: n_head, keyValueHeads: n_head, headDim: n_embd / n_head };
    super(weights, heads, lora_alpha, {
      embedding: 'transformer.wte',
      qkv: (block) => `${at(block)}.attn.c_attn`,
      up: (block) => `${at(block)}.mlp.c_fc`,
      down: (block) => `${at(block)}.mlp.c_proj`,
    });
    this.#heads = heads;
  }

  protected embedded(ids: Int32Array): Float64Array {
    const positions = this.config.rotary ? undefined : this.matrix('transformer.wpe').values;
    const x = this.rows(ids);
    return positions === undefined ? x : x.map((value, i) => value + (positions[i] ?? 0));
  }

  protected qkv(block: number, x: Float64Array): Float64Array {
    const { headDim } = this.#heads;
    const qkv = this.linear(`${at(block)}.attn.c_attn`, this.#norm(`${at(block)}.ln_1`, x));
    if (!this.config.rotary) return qkv;
    const frequencies = Array.from({ length: headDim / 2 }, (_, i) => this.config.rotary_base ** ((-2 * i) / headDim));
    rotate(qkv, x.length / this.config.n_embd, this.#heads, frequencies);
    return qkv;
  }

  protected attended(block: number, y: Float64Array): Float64Array {
    return this.linear(`${at(block)}.attn.c_proj`, y);
  }

  protected mlp(block: number, x: Float64Array): Float64Array {
    const hidden = this.linear(`${at(block)}.mlp.c_fc`, this.#norm(`${at(block)}.ln_2`, x));
    activate(hidden, this.config.activation);
    return this.linear(`${at(block)}.mlp.c_proj`, hidden);
  }

  #norm(name: string, x: Float64Array): Float64Array {
    return layerNorm(x, this.matrix(name).values, this.vector(`${name}.bias`));
  }
}

function at(block: number): string {
  return `transformer.h.${String(block)}`;
}
