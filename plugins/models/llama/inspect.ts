import { z } from 'zod';
import type { StoredTensor } from '../../../core/index.js';
import type { HeadSizes } from '../../ops/contract.js';
import { activate, normHeads, rmsNorm, rotate } from '../decoder/kernels/plain.js';
import { DecoderView } from '../decoder/view.js';
import type { ModelView } from '../inspection/inspectable.js';
import { headsOf, llamaOptions, type LlamaConfig } from './config.js';

/** The rotary frequencies are passed in, because computing them would load TensorFlow.js into the thread. */
const data = z.object({ config: llamaOptions, frequencies: z.array(z.number()) });

/** Creates the view of a copy of this model's weights; loaded by worker threads. @param shared `SharedView.data` */
export function viewModel(shared: unknown, weights: ReadonlyMap<string, StoredTensor>): ModelView {
  const { config, frequencies } = data.parse(shared);
  return new LlamaView(config, frequencies, weights);
}

class LlamaView extends DecoderView {
  readonly #heads: HeadSizes;

  constructor(
    private readonly config: LlamaConfig,
    private readonly frequencies: readonly number[],
    weights: ReadonlyMap<string, StoredTensor>,
  ) {
    const heads = headsOf(config);
    super(weights, heads, config.lora_alpha, {
      embedding: 'model.embed_tokens',
      qkv: (block) => `${at(block)}.self_attn.qkv_proj`,
      up: (block) => `${at(block)}.mlp.up_proj`,
      down: (block) => `${at(block)}.mlp.down_proj`,
    });
    this.#heads = heads;
  }

  protected embedded(ids: Int32Array): Float64Array {
    return this.rows(ids);
  }

  protected qkv(block: number, x: Float64Array): Float64Array {
    const { n_embd, qk_norm, norm_epsilon } = this.config;
    const attn = `${at(block)}.self_attn`;
    const qkv = this.linear(`${attn}.qkv_proj`, this.#norm(`${at(block)}.input_layernorm`, x));
    if (qk_norm) {
      const weights = { queries: this.matrix(`${attn}.q_norm`).values, keys: this.matrix(`${attn}.k_norm`).values };
      normHeads(qkv, this.#heads, weights, norm_epsilon);
    }
    rotate(qkv, x.length / n_embd, this.#heads, this.frequencies);
    return qkv;
  }

  protected attended(block: number, y: Float64Array): Float64Array {
    return this.linear(`${at(block)}.self_attn.o_proj`, y);
  }

  protected mlp(block: number, x: Float64Array): Float64Array {
    const normed = this.#norm(`${at(block)}.post_attention_layernorm`, x);
    const [gate, up] = [`${at(block)}.mlp.gate_proj`, `${at(block)}.mlp.up_proj`].map((name) =>
      this.linear(name, normed),
    );
    if (gate === undefined || up === undefined) throw new Error('there are two layers');
    activate(gate, this.config.activation);
    return this.linear(
      `${at(block)}.mlp.down_proj`,
      gate.map((value, i) => value * (up[i] ?? 0)),
    );
  }

  #norm(name: string, x: Float64Array): Float64Array {
    return rmsNorm(x, this.matrix(name).values, this.config.norm_epsilon);
  }
}

function at(block: number): string {
  return `model.layers.${String(block)}`;
}
