import { z } from 'zod';
import type { StoredTensor } from '../../../core/index.js';
import {
  cannotRun,
  EXPORT_HF,
  float32,
  floats,
  renamed,
  uint32,
  type Architecture,
  type HuggingFaceModel,
  type Named,
  type Names,
} from './model.js';

const NAMES: Names = {
  block: /^model\.layers\.(\d+)\.(.+)$/,
  outside: { 'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', lm_head: 'output' },
  inside: {
    input_layernorm: 'attn_norm',
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm',
    post_attention_layernorm: 'ffn_norm',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
  },
};

/**
 * Weights that a model of the family may have but llama.cpp does not read for it. Source: `src/models/` of llama.cpp.
 */
const LACKING = {
  llama: /_norm\.weight$/,
  qwen2: /(?:_norm\.weight|(?:o_proj|mlp\.\w+)\.bias)$/,
  qwen3: /(?:o_proj|mlp\.\w+)\.bias$/,
} as const;
type Member = keyof typeof LACKING;

const MEMBERS = new Map<string, Member>([
  ['llama', 'llama'],
  ['mistral', 'llama'],
  ['qwen2', 'qwen2'],
  ['qwen3', 'qwen3'],
]);

const rope = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
});
const schema = z.looseObject({
  model_type: z.string(),
  num_hidden_layers: z.int(),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  num_attention_heads: z.int(),
  num_key_value_heads: z.int().nullish(),
  head_dim: z.int().nullish(),
  max_position_embeddings: z.int(),
  rms_norm_eps: z.number(),
  vocab_size: z.int(),
  hidden_act: z.string().default('silu'),
  rope_theta: z.number().optional(),
  rope_scaling: rope.nullish(),
  rope_parameters: rope.nullish(),
});
const llama3 = z.looseObject({
  factor: z.number(),
  low_freq_factor: z.number(),
  high_freq_factor: z.number(),
  original_max_position_embeddings: z.number(),
});

/** Returns whether transformers' model type belongs to the Llama family. */
export function isLlama(modelType: string): boolean {
  return MEMBERS.has(modelType);
}

/** @throws UsageError for an activation, positions or weights that llama.cpp does not support in such a model */
export function llama({ config, weights }: HuggingFaceModel): Architecture {
  const given = schema.parse(config);
  const { hidden_size: width, num_attention_heads: heads, vocab_size, model_type } = given;
  const name = MEMBERS.get(model_type) ?? 'llama';
  const keyValueHeads = given.num_key_value_heads ?? heads;
  const headDim = given.head_dim ?? width / heads;
  if (given.hidden_act !== 'silu' && given.hidden_act !== 'swish')
    throw cannotRun(
      `computes the MLP of ${name} with SiLU, but this model has ${given.hidden_act}`,
      `train with model.activation: silu, or ${EXPORT_HF}`,
    );
  if (name === 'qwen2' && headDim * heads !== width)
    throw cannotRun(`has heads of hidden_size / num_attention_heads in qwen2, not of ${String(headDim)}`, EXPORT_HF);
  const scaling = { ...given.rope_scaling, ...given.rope_parameters };
  const theta = scaling.rope_theta ?? given.rope_theta ?? 10000;
  const factors = rotaryFactors(scaling, theta, headDim, name);
  return {
    name,
    settings: new Map([
      ['block_count', uint32(given.num_hidden_layers)],
      ['context_length', uint32(given.max_position_embeddings)],
      ['embedding_length', uint32(width)],
      ['feed_forward_length', uint32(given.intermediate_size)],
      ['attention.head_count', uint32(heads)],
      ['attention.head_count_kv', uint32(keyValueHeads)],
      ['rope.freq_base', float32(theta)],
      ['attention.layer_norm_rms_epsilon', float32(given.rms_norm_eps)],
      ...(name === 'qwen2'
        ? []
        : ([
            ['attention.key_length', uint32(headDim)],
            ['attention.value_length', uint32(headDim)],
          ] as const)),
      ...(name === 'llama'
        ? ([
            ['vocab_size', uint32(vocab_size)],
            ['rope.dimension_count', uint32(headDim)],
          ] as const)
        : []),
    ]),
    tensors: [
      ...factors,
      ...[...weights].map(([stored, tensor]): Named => {
        if (LACKING[name].test(stored))
          throw cannotRun(`has no place for ${stored} in a model of the architecture ${name}`, EXPORT_HF);
        const turning = name !== 'llama' ? 0 : stored.includes('.q_proj.') ? heads : keyValueHeads;
        return {
          name: renamed(stored, NAMES, name),
          shape: tensor.shape,
          values: () => (turning > 0 && /\.[qk]_proj\./.test(stored) ? interleaved(tensor, turning) : floats(tensor)),
        };
      }),
    ],
  };
}

/**
 * Returns Llama 3's frequency scaling, which llama.cpp stores as divisors of the usual frequencies, [headDim / 2].
 * Source: `LlamaModel.generate_extra_tensors` of llama.cpp's convert_hf_to_gguf.py, in float32 as there.
 */
function rotaryFactors(scaling: z.output<typeof rope>, theta: number, headDim: number, name: Member): Named[] {
  const kind = scaling.rope_type ?? scaling.type ?? 'default';
  if (kind === 'default') return [];
  if (kind !== 'llama3' || name !== 'llama')
    throw cannotRun(`export does not support rotary scaling "${kind}" of ${name}`, EXPORT_HF);
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = llama3.parse(scaling);
  const values = Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (wavelength < original_max_position_embeddings / high_freq_factor) return 1;
    if (wavelength > original_max_position_embeddings / low_freq_factor) return factor;
    const smooth =
      (original_max_position_embeddings / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
    return 1 / ((1 - smooth) / factor + smooth);
  });
  return [{ name: 'rope_freqs.weight', shape: [headDim / 2], values: () => values }];
}

/**
 * Reorders each head's rows for llama.cpp's llama, which has the two rows of a rotated pair side by side; transformers
 * has all first halves before the second. [heads · headDim, …] → the same shape
 */
function interleaved(tensor: StoredTensor, heads: number): Float32Array {
  const from = floats(tensor);
  const rows = tensor.shape[0] ?? 0;
  const columns = from.length / rows;
  const half = rows / heads / 2;
  const turned = new Float32Array(from.length);
  for (let row = 0; row < rows; row++) {
    const within = row % (2 * half);
    const to = row - within + 2 * (within % half) + Math.floor(within / half);
    turned.set(from.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return turned;
}
