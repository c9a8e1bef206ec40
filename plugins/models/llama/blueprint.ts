import type { Architecture } from '../decoder/architecture.js';
import type { Blueprint } from '../decoder/blueprint.js';
import {
  INIT_DEVIATION,
  linearWeights,
  normWeights,
  tokenWeights,
  type DescribedWeight,
} from '../decoder/described.js';
import { headsOf, hiddenOf, type LlamaConfig } from './config.js';

/** Describes a Llama's weights, under Hugging Face's names; queries, keys and values are one matrix, `qkv_proj`. */
export function blueprintOf(config: LlamaConfig): Blueprint {
  const { n_embd: width, block_size: block } = config;
  const { heads, keyValueHeads, headDim } = headsOf(config);
  const [attended, keysAndValues] = [heads * headDim, 2 * keyValueHeads * headDim];
  return {
    config,
    hidden: hiddenOf(config),
    attended,
    head: config.tied ? 'wte' : 'lm_head',
    weights: (of) => weightsOf(config, of),
    kept: {
      least: (hidden) => 2 * width + 2 * attended + keysAndValues + 2 * hidden,
      most: (hidden) => 4 * width + 3 * attended + 2 * keysAndValues + 3 * hidden + heads * block,
    },
  };
}

function weightsOf(config: LlamaConfig, of: Architecture): DescribedWeight[] {
  const tokens = { vocabulary: of.vocab_size, width: config.n_embd };
  return [
    ...tokenWeights('model.embed_tokens', {
      ...{ role: 'embedding', layer: 'wte', ...tokens, rank: of.embedding_lora_rank },
    }),
    ...Array.from({ length: of.n_layer }, (_, depth) => blockWeights(config, of, depth)).flat(),
    ...normWeights('model.norm', { layer: 'ln_f', width: config.n_embd }),
    ...(config.tied ? [] : tokenWeights('lm_head', { role: 'head', layer: 'lm_head', ...tokens })),
  ];
}

function blockWeights(config: LlamaConfig, of: Architecture, depth: number): DescribedWeight[] {
  const at = `model.layers.${String(depth)}`;
  const { n_embd: width, qk_norm, qkv_bias, output_bias, mlp_bias } = config;
  const { heads, keyValueHeads, headDim } = headsOf(config);
  const [attended, shared] = [heads * headDim, keyValueHeads * headDim];
  const deviation = INIT_DEVIATION / Math.sqrt(2 * of.n_layer);
  const attn = { layer: 'attn', depth };
  const headNorm = { ...attn, width: headDim };
  const mlp = { layer: 'mlp', depth, bias: mlp_bias, rank: of.mlp_lora_rank[depth] };
  const into = { ...mlp, from: width, to: of.n_hidden, units: 'given' } as const;
  return [
    ...normWeights(`${at}.input_layernorm`, { layer: 'ln_1', depth, width }),
    ...linearWeights(`${at}.self_attn.qkv_proj`, {
      ...{ ...attn, from: width, to: attended + 2 * shared, parts: [attended, shared, shared] },
      ...{ bias: qkv_bias, rank: of.attn_lora_rank[depth] },
    }),
    ...(qk_norm ? ['q_norm', 'k_norm'] : []).flatMap((name) => normWeights(`${at}.self_attn.${name}`, headNorm)),
    ...linearWeights(`${at}.self_attn.o_proj`, {
      ...{ ...attn, from: attended, to: width, deviation },
      ...{ bias: output_bias, rank: of.output_lora_rank[depth] },
    }),
    ...normWeights(`${at}.post_attention_layernorm`, { layer: 'ln_2', depth, width }),
    ...linearWeights(`${at}.mlp.gate_proj`, into),
    ...linearWeights(`${at}.mlp.up_proj`, into),
    ...linearWeights(`${at}.mlp.down_proj`, { ...mlp, from: of.n_hidden, to: width, deviation, units: 'read' }),
  ];
}
