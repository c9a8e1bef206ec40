import type { StoredTensor, WeightSources } from '../../../core/index.js';
import { hasLora, type Architecture } from '../decoder/architecture.js';
import { sourcesOf } from '../decoder/stored.js';
import { huggingFaceActivation } from '../weights/activations.js';
import { headsOf, type LlamaConfig } from './config.js';

/** Settings that no weight's shape shows. */
const DECISIVE = [
  ...['model_type', 'num_attention_heads', 'num_key_value_heads', 'head_dim', 'hidden_act', 'rms_norm_eps'],
  ...['rope_theta', 'rope_scaling', 'tie_word_embeddings', 'lora_alpha'],
];

/**
 * Returns a checkpoint's `config.json`: transformers' keys of a Llama. Its `model_type` is our own, because
 * transformers would misread the weights: queries, keys and values are joined, and matrices are [in, out].
 */
export function descriptionOf(config: LlamaConfig, architecture: Architecture): Record<string, unknown> {
  const { heads, keyValueHeads, headDim } = headsOf(config);
  return {
    model_type: 'espalier-llama',
    ...(hasLora(architecture) ? { lora_alpha: config.lora_alpha } : {}),
    vocab_size: architecture.vocab_size,
    hidden_size: config.n_embd,
    intermediate_size: architecture.n_hidden,
    num_hidden_layers: architecture.n_layer,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    hidden_act: huggingFaceActivation(config.activation),
    max_position_embeddings: config.block_size,
    rms_norm_eps: config.norm_epsilon,
    rope_theta: config.rotary_base,
    rope_scaling: ropeScaling(config),
    tie_word_embeddings: config.tied,
    qk_norm: config.qk_norm,
    qkv_bias: config.qkv_bias,
    output_bias: config.output_bias,
    mlp_bias: config.mlp_bias,
    dropout: config.dropout,
  };
}

/** Returns transformers' `rope_scaling`; null for none. */
export function ropeScaling({ rotary_scaling: scaling }: LlamaConfig): Record<string, unknown> | null {
  if (scaling === null) return null;
  const { original_block_size, ...factors } = scaling;
  return { rope_type: 'llama3', ...factors, original_max_position_embeddings: original_block_size };
}

/** Finds the stored name of each weight. */
export function weightSources(
  stored: ReadonlyMap<string, StoredTensor>,
  parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): WeightSources {
  return sourcesOf(stored, parameters, { prefix: 'model.', decisive: DECISIVE });
}
