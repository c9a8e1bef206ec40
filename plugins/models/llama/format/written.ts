import type { StoredTensor } from '../../../../core/index.js';
import { huggingFaceActivation } from '../../weights/activations.js';
import type { Described, PlainModel, WrittenModel } from '../../weights/formats.js';
import { zeros } from '../../weights/layout.js';
import { headsOf, llamaOptions, type LlamaConfig } from '../config.js';
import { ropeScaling } from '../stored.js';
import { toFile } from './weights.js';

const LAYER = 'model.layers.0.';
const EMBEDDING = 'model.embed_tokens.weight';

/**
 * Converts a model for transformers: to Llama, or to the member of the family that has the same parts. Sizes that
 * growth may have changed are read from the weights. Missing attention biases become zeros.
 * @throws Error for a model that transformers does not have
 */
export function writtenModel({ options: given, weights }: PlainModel): WrittenModel {
  const options = llamaOptions.parse(given);
  const [vocabSize = 0, width = 0] = weights.get(EMBEDDING)?.shape ?? [];
  const [, hidden = 0] = weights.get(`${LAYER}mlp.gate_proj.weight`)?.shape ?? [];
  const shape = headsOf(options);
  const { type, attentionBias, own } = kindOf(weights, width % shape.heads === 0);
  const tensors = toFile(weights, shape);
  const added = attentionBias ? addBiases(tensors) : 0;
  const config = {
    model_type: type,
    architectures: [ARCHITECTURES[type]],
    vocab_size: vocabSize,
    hidden_size: width,
    intermediate_size: hidden,
    num_hidden_layers: [...weights.keys()].filter((name) => name.endsWith('.input_layernorm.weight')).length,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    head_dim: shape.headDim,
    hidden_act: huggingFaceActivation(options.activation),
    max_position_embeddings: options.block_size,
    rms_norm_eps: options.norm_epsilon,
    tie_word_embeddings: !weights.has('lm_head.weight'),
    ...rotaryKeys(options),
    ...own,
    // transformers would otherwise use tokens of the first Llama's tokenizer.
    bos_token_id: null,
    eos_token_id: null,
    dtype: 'float32',
  };
  const notes = added === 0 ? [] : ['biases of the attention that the model does not have are written as zeros'];
  return { config, weights: tensors, notes };
}

const ARCHITECTURES = {
  llama: 'LlamaForCausalLM',
  mistral: 'MistralForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
} as const;

interface Kind {
  readonly type: keyof typeof ARCHITECTURES;
  /** True if the attention has all of its biases. */
  readonly attentionBias: boolean;
  /** Keys that only this type has. */
  readonly own: Described;
}

/** @param isWhole whether the number of heads divides the width, as transformers' Llama requires */
function kindOf(weights: ReadonlyMap<string, StoredTensor>, isWhole: boolean): Kind {
  const has = (name: string): boolean => weights.has(LAYER + name);
  const [qkv, output] = [has('self_attn.qkv_proj.bias'), has('self_attn.o_proj.bias')];
  const mlp = has('mlp.gate_proj.bias');
  const attentionBias = qkv || output;
  if (has('self_attn.q_norm.weight')) {
    if (mlp) throw new Error('transformers has no model with query-key norm and biases in the MLP');
    const own = { attention_bias: attentionBias, use_sliding_window: false, sliding_window: null };
    return { type: 'qwen3', attentionBias, own };
  }
  if (qkv && !output && !mlp) {
    return { type: 'qwen2', attentionBias: false, own: { use_sliding_window: false, sliding_window: null } };
  }
  if (isWhole) return { type: 'llama', attentionBias, own: { attention_bias: attentionBias, mlp_bias: mlp } };
  if (attentionBias || mlp)
    throw new Error('transformers has no model with these biases whose n_head does not divide n_embd');
  return { type: 'mistral', attentionBias, own: { sliding_window: null } };
}

/** @returns how many were added */
function addBiases(tensors: Map<string, StoredTensor>): number {
  const before = tensors.size;
  for (const [name, { shape }] of [...tensors]) {
    const bias = name.replace(/\.weight$/, '.bias');
    if (/\.self_attn\.[qkvo]_proj\.weight$/.test(name) && !tensors.has(bias))
      tensors.set(bias, zeros(shape.slice(0, 1)));
  }
  return tensors.size - before;
}

/** Returns the rotary settings with the keys of transformers 5, and with those of older versions and other programs. */
function rotaryKeys(options: LlamaConfig): Described {
  const [base, scaling] = [options.rotary_base, ropeScaling(options)];
  return {
    rope_theta: base,
    rope_scaling: scaling,
    rope_parameters: { ...(scaling ?? { rope_type: 'default' }), rope_theta: base },
  };
}
