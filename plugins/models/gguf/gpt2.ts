import { z } from 'zod';
import { isProjection } from '../gpt/format.js';
import { transposed } from '../weights/layout.js';
import {
  cannotRun,
  EXPORT_HF,
  float32,
  floats,
  renamed,
  uint32,
  type Architecture,
  type HuggingFaceModel,
  type Names,
} from './model.js';

const NAMES: Names = {
  block: /^transformer\.h\.(\d+)\.(.+)$/,
  outside: {
    'transformer.wte': 'token_embd',
    'transformer.wpe': 'position_embd',
    'transformer.ln_f': 'output_norm',
    lm_head: 'output',
  },
  inside: {
    ln_1: 'attn_norm',
    'attn.c_attn': 'attn_qkv',
    'attn.c_proj': 'attn_output',
    ln_2: 'ffn_norm',
    'mlp.c_fc': 'ffn_up',
    'mlp.c_proj': 'ffn_down',
  },
};

/** llama.cpp's GELU is GPT-2's tanh form. */
const ACTIVATIONS = new Set(['gelu_new', 'gelu_pytorch_tanh', 'gelu_fast']);

const schema = z.looseObject({
  n_layer: z.int(),
  n_head: z.int(),
  n_embd: z.int(),
  n_positions: z.int(),
  n_inner: z.int().nullish(),
  activation_function: z.string(),
  layer_norm_epsilon: z.number(),
});

/** @throws UsageError for an activation that llama.cpp's GPT-2 does not support */
export function gpt2({ config, weights }: HuggingFaceModel): Architecture {
  const { n_layer, n_head, n_embd, n_positions, n_inner, activation_function, layer_norm_epsilon } =
    schema.parse(config);
  if (!ACTIVATIONS.has(activation_function)) {
    const is = activation_function === 'gelu' ? 'exact GELU' : activation_function;
    throw cannotRun(
      `computes GPT-2 with the tanh form of GELU, but this model has ${is}`,
      `train with model.activation: gelu_tanh, or ${EXPORT_HF}`,
    );
  }
  return {
    name: 'gpt2',
    settings: new Map([
      ['block_count', uint32(n_layer)],
      ['context_length', uint32(n_positions)],
      ['embedding_length', uint32(n_embd)],
      ['feed_forward_length', uint32(n_inner ?? 4 * n_embd)],
      ['attention.head_count', uint32(n_head)],
      ['attention.layer_norm_epsilon', float32(layer_norm_epsilon)],
    ]),
    tensors: [...weights].map(([name, tensor]) => ({
      name: renamed(name, NAMES, 'gpt2'),
      shape: isProjection(name) ? tensor.shape.toReversed() : tensor.shape,
      values: () => floats(isProjection(name) ? transposed(tensor) : tensor),
    })),
  };
}
