import { z } from 'zod';
import type { HeadSizes } from '../../../ops/contract.js';
import { activationOf, HUGGING_FACE_ACTIVATIONS } from '../../weights/activations.js';
import type { BlockSizes, Described } from '../../weights/formats.js';
import { hiddenOf } from '../config.js';

/** The default context is no longer than the first Llama's: today's models have 131,072 positions. */
const LONGEST_DEFAULT_BLOCK = 2048;

const whole = z.int().min(1);
const flag = (otherwise: boolean) => z.boolean().default(otherwise);
const rope = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().gt(0).optional(),
  partial_rotary_factor: z.number().optional(),
});
const llama3 = z.looseObject({
  factor: z.number().gt(0),
  low_freq_factor: z.number().gt(0),
  high_freq_factor: z.number().gt(0),
  original_max_position_embeddings: whole.optional(),
});

/** Common keys and their defaults. Source: `configuration_*.py` and `modeling_rope_utils.py` of transformers 5.24. */
const common = {
  vocab_size: whole,
  hidden_size: whole,
  intermediate_size: whole,
  num_hidden_layers: whole,
  num_attention_heads: whole,
  head_dim: whole.nullish(),
  hidden_act: z.enum(HUGGING_FACE_ACTIVATIONS).default('silu'),
  rms_norm_eps: z.number().gt(0).default(1e-6),
  tie_word_embeddings: flag(false),
  partial_rotary_factor: z.number().default(1),
  rope_theta: z.number().gt(0).default(10_000),
  rope_scaling: rope.nullish(),
  rope_parameters: rope.nullish(),
  original_max_position_embeddings: whole.nullish(),
};
/** Keys that transformers ignores in the models below that do not redefine them. */
const fixed = { mlp_bias: z.literal(false).catch(false), sliding_window: z.null().catch(null) };
const qwenWindow = {
  use_sliding_window: flag(false),
  sliding_window: whole.nullable().default(4096),
  max_window_layers: z.int().min(0).default(28),
  layer_types: z
    .array(z.enum(['full_attention', 'sliding_attention'], 'only full and sliding attention are supported'))
    .nullish(),
};
const configSchema = z.discriminatedUnion('model_type', [
  z.looseObject({
    ...common,
    ...fixed,
    model_type: z.literal('llama'),
    num_key_value_heads: whole.nullable().default(null),
    max_position_embeddings: whole.default(2048),
    attention_bias: flag(false),
    mlp_bias: flag(false),
  }),
  z.looseObject({
    ...common,
    ...fixed,
    model_type: z.literal('mistral'),
    num_key_value_heads: whole.nullable().default(8),
    max_position_embeddings: whole.default(131_072),
    sliding_window: whole.nullable().default(4096),
    attention_bias: z.literal(false).catch(false),
  }),
  z.looseObject({
    ...common,
    ...fixed,
    ...qwenWindow,
    model_type: z.literal('qwen2'),
    num_key_value_heads: whole.nullable().default(32),
    max_position_embeddings: whole.default(32_768),
    attention_bias: z.literal(false).catch(false),
  }),
  z.looseObject({
    ...common,
    ...fixed,
    ...qwenWindow,
    model_type: z.literal('qwen3'),
    num_key_value_heads: whole.nullable().default(32),
    max_position_embeddings: whole.default(32_768),
    head_dim: whole.default(128),
    attention_bias: flag(false),
  }),
]);
type Config = z.output<typeof configSchema>;

/** The contents of a family member's `config.json`, in terms of the plugin `llama`. */
export interface FamilyConfig extends HeadSizes {
  readonly options: Described;
  readonly alike: Readonly<Record<string, readonly unknown[]>>;
  readonly block: BlockSizes;
  readonly tied: boolean;
}

/** @throws ZodError or Error for what the plugin does not support */
export function readConfig(described: Described): FamilyConfig {
  const config = configSchema.parse(described);
  const { num_attention_heads: heads, hidden_size: width, model_type: type, attention_bias: bias } = config;
  const keyValueHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? Math.floor(width / heads);
  const { base, scaling } = rotaryOf(config);
  return {
    heads,
    keyValueHeads,
    headDim,
    tied: config.tie_word_embeddings,
    block: blockSizes(config),
    options: {
      n_layer: config.num_hidden_layers,
      n_head: heads,
      n_kv_head: keyValueHeads,
      head_dim: headDim,
      n_embd: width,
      n_hidden: config.intermediate_size,
      vocab_size: config.vocab_size,
      norm_epsilon: config.rms_norm_eps,
      rotary_base: base,
      rotary_scaling: scaling,
      tied: config.tie_word_embeddings,
      qk_norm: type === 'qwen3',
      qkv_bias: bias || type === 'qwen2',
      output_bias: bias,
      mlp_bias: config.mlp_bias,
      activation: activationOf(config.hidden_act),
    },
    alike: {
      n_kv_head: keyValueHeads === heads ? [null] : [],
      head_dim: headDim * heads === width ? [null] : [],
      n_hidden: hiddenOf({ n_hidden: null, n_embd: width }) === config.intermediate_size ? [null] : [],
      vocab_size: [null],
    },
  };
}

/**
 * Reads `rope_scaling` and `rope_theta` of older configs, or `rope_parameters`. Source: `convert_rope_params_to_dict`.
 */
function rotaryOf(config: Config): { base: number; scaling: Described | null } {
  const isGiven = Object.keys(config.rope_scaling ?? {}).length > 0;
  const key = isGiven ? 'rope_scaling' : 'rope_parameters';
  const given = config[key] ?? {};
  const refuse = (what: string): Error => new Error(`${key}: ${what} are not supported`);
  if (Object.values(given).some((value) => typeof value === 'object' && value !== null && !Array.isArray(value))) {
    throw refuse('rotary positions that differ by layer');
  }
  if ((given.partial_rotary_factor ?? config.partial_rotary_factor) !== 1) {
    throw refuse('partially rotated heads (partial_rotary_factor)');
  }
  const base = given.rope_theta ?? config.rope_theta;
  const type = given.rope_type ?? given.type ?? 'default';
  if (type === 'default') return { base, scaling: null };
  if (type !== 'llama3')
    throw refuse(`rotary positions of type ${JSON.stringify(type)} (other than default and llama3)`);
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings: own } = llama3.parse(given);
  const original = config.original_max_position_embeddings ?? own ?? config.max_position_embeddings;
  return { base, scaling: { factor, low_freq_factor, high_freq_factor, original_block_size: original } };
}

function blockSizes(config: Config): BlockSizes {
  const { max_position_embeddings: positions } = config;
  const window = windowOf(config);
  const most = Math.min(positions, window ?? positions);
  const what =
    window === most
      ? `a sliding window of ${String(window)} tokens in its attention`
      : `${String(positions)} positions`;
  return { most, what, default: Math.min(most, LONGEST_DEFAULT_BLOCK) };
}

/** Returns the window, in tokens, of layers with a sliding window; null if there are none. */
function windowOf(config: Config): number | null {
  if (config.model_type === 'llama' || config.model_type === 'mistral') return config.sliding_window;
  const { use_sliding_window: uses, sliding_window: window, max_window_layers: full, layer_types: types } = config;
  const slides = types?.includes('sliding_attention') ?? config.num_hidden_layers > full;
  return uses && slides ? window : null;
}
