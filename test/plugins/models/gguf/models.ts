import type { StoredTensor } from '../../../../core/index.js';
import type { HuggingFaceModel } from '../../../../plugins/models/gguf/model.js';

const LAYERS = 2;
const WIDTH = 24;
const HEADS = 6;
const HIDDEN = 40;

const SHARED = {
  hidden_size: WIDTH,
  intermediate_size: HIDDEN,
  num_hidden_layers: LAYERS,
  num_attention_heads: HEADS,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
};
const LLAMA3 = {
  rope_type: 'llama3',
  rope_theta: 10000,
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

/** A small GPT-2 with every bias, as in transformers, with all numbers different. */
export function smallGpt2(vocabSize: number): HuggingFaceModel {
  const block = {
    'ln_1.weight': [WIDTH],
    'ln_1.bias': [WIDTH],
    'attn.c_attn.weight': [WIDTH, 3 * WIDTH],
    'attn.c_attn.bias': [3 * WIDTH],
    'attn.c_proj.weight': [WIDTH, WIDTH],
    'attn.c_proj.bias': [WIDTH],
    'ln_2.weight': [WIDTH],
    'ln_2.bias': [WIDTH],
    'mlp.c_fc.weight': [WIDTH, 4 * WIDTH],
    'mlp.c_fc.bias': [4 * WIDTH],
    'mlp.c_proj.weight': [4 * WIDTH, WIDTH],
    'mlp.c_proj.bias': [WIDTH],
  };
  const shapes = {
    'transformer.wte.weight': [vocabSize, WIDTH],
    'transformer.wpe.weight': [16, WIDTH],
    ...repeated('transformer.h', block),
    'transformer.ln_f.weight': [WIDTH],
    'transformer.ln_f.bias': [WIDTH],
  };
  const config = {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    vocab_size: vocabSize,
    n_positions: 16,
    n_ctx: 16,
    n_embd: WIDTH,
    n_layer: LAYERS,
    n_head: HEADS,
    n_inner: null,
    activation_function: 'gelu_new',
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
  };
  return { config, weights: weightsOf(shapes) };
}

export type FamilyMember = 'llama' | 'llama3' | 'mistral' | 'qwen2' | 'qwen3';

/**
 * A small member of the Llama family with fewer key-value heads; llama3 is Llama with its scaling, biases and an untied
 * head.
 */
export function smallLlama(member: FamilyMember, vocabSize: number): HuggingFaceModel {
  const keyValueHeads = member === 'llama' ? HEADS : 2;
  const headDim = member === 'qwen3' ? 8 : WIDTH / HEADS;
  const [queries, keys] = [HEADS * headDim, keyValueHeads * headDim];
  const bias = member === 'qwen2' || member === 'llama3';
  const block = {
    'input_layernorm.weight': [WIDTH],
    'self_attn.q_proj.weight': [queries, WIDTH],
    'self_attn.k_proj.weight': [keys, WIDTH],
    'self_attn.v_proj.weight': [keys, WIDTH],
    'self_attn.o_proj.weight': [WIDTH, queries],
    ...(bias ? { 'self_attn.q_proj.bias': [queries] } : {}),
    ...(bias ? { 'self_attn.k_proj.bias': [keys], 'self_attn.v_proj.bias': [keys] } : {}),
    ...(member === 'llama3' ? { 'self_attn.o_proj.bias': [WIDTH], 'mlp.up_proj.bias': [HIDDEN] } : {}),
    ...(member === 'llama3' ? { 'mlp.gate_proj.bias': [HIDDEN], 'mlp.down_proj.bias': [WIDTH] } : {}),
    ...(member === 'qwen3' ? { 'self_attn.q_norm.weight': [headDim], 'self_attn.k_norm.weight': [headDim] } : {}),
    'post_attention_layernorm.weight': [WIDTH],
    'mlp.gate_proj.weight': [HIDDEN, WIDTH],
    'mlp.up_proj.weight': [HIDDEN, WIDTH],
    'mlp.down_proj.weight': [WIDTH, HIDDEN],
  };
  const tied = member !== 'llama3';
  const shapes = {
    'model.embed_tokens.weight': [vocabSize, WIDTH],
    ...repeated('model.layers', block),
    'model.norm.weight': [WIDTH],
    ...(tied ? {} : { 'lm_head.weight': [vocabSize, WIDTH] }),
  };
  const type = member === 'llama3' ? 'llama' : member;
  const config = {
    ...SHARED,
    model_type: type,
    architectures: [`${type.charAt(0).toUpperCase()}${type.slice(1)}ForCausalLM`],
    vocab_size: vocabSize,
    num_key_value_heads: keyValueHeads,
    ...(member === 'qwen2' ? {} : { head_dim: headDim }),
    ...(member === 'llama3' ? { attention_bias: true, mlp_bias: true } : {}),
    ...(member === 'mistral' ? { sliding_window: null } : {}),
    rope_parameters: member === 'llama3' ? LLAMA3 : { rope_type: 'default', rope_theta: 5e5 },
    tie_word_embeddings: tied,
  };
  return { config, weights: weightsOf(shapes) };
}

function repeated(root: string, block: Readonly<Record<string, number[]>>): Record<string, number[]> {
  const layers = Array.from({ length: LAYERS }, (_, layer) =>
    Object.entries(block).map(([name, shape]) => [`${root}.${String(layer)}.${name}`, shape] as const),
  );
  return Object.fromEntries(layers.flat());
}

function weightsOf(shapes: Readonly<Record<string, number[]>>): Map<string, StoredTensor> {
  let place = 1;
  const values = (size: number): Float32Array =>
    Float32Array.from({ length: size }, () => 0.2 * Math.sin((place++) ** 1.5));
  return new Map(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { shape, values: values(shape.reduce((product, n) => product * n, 1)) },
    ]),
  );
}
