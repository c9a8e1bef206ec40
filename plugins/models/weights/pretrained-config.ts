import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';
import type { GivenOption } from './formats.js';
import { readJsonFile } from '../../files/contract.js';
import { activationOf, HUGGING_FACE_ACTIVATIONS } from './activations.js';
import { hubShape } from './hub.js';

const MAX_CONFIG_BYTES = 1 << 20;

const configSchema = z.looseObject({
  model_type: z.literal('gpt2'),
  vocab_size: z.int().min(1),
  n_positions: z.int().min(1),
  n_embd: z.int().min(1),
  n_layer: z.int().min(1),
  n_head: z.int().min(1),
  n_inner: z.int().min(1).nullish(),
  activation_function: z.enum(HUGGING_FACE_ACTIVATIONS).default('gelu_new'),
  layer_norm_epsilon: z.literal(1e-5).default(1e-5),
  scale_attn_weights: z.literal(true).default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
  tie_word_embeddings: z
    .literal(
      true,
      'false: this model has one matrix for embedding and output head; tie them, and train that model again',
    )
    .default(true),
  bias: z.boolean().default(true),
});
export type PretrainedConfig = z.output<typeof configSchema>;

/**
 * The options of `model` that the weights need and that the config gives otherwise. What presets and defaults say is
 * replaced; `block_size` may be smaller (positions are cropped); `dropout` and LoRA are the user's.
 * @param origin where `config` is from, as errors name it
 * @throws UsageError for another value of the user's, naming both places
 */
export function neededOptions(
  config: PretrainedConfig,
  origin: string,
  given: (option: string) => GivenOption,
): Record<string, unknown> {
  const needed = Object.entries(optionsOf(config)).filter(([option, wanted]) => {
    const { value, place } = given(option);
    const within = option === 'block_size' && isWithin(value, wanted);
    if (place === undefined) return !within;
    if (within || (option !== 'block_size' && isSame(option, value, wanted, config))) return false;
    if (option === 'vocab_size' && value === null) return true;
    throw contradiction(option, { value, place, wanted, origin });
  });
  return Object.fromEntries(needed);
}

/** What `model` has to be for the weights. */
function optionsOf({
  n_positions,
  n_inner,
  activation_function,
  ...config
}: PretrainedConfig): Record<string, unknown> {
  return {
    n_layer: config.n_layer,
    n_head: config.n_head,
    n_embd: config.n_embd,
    n_hidden: n_inner ?? null,
    vocab_size: config.vocab_size,
    bias: config.bias,
    activation: activationOf(activation_function),
    rotary: false,
    block_size: n_positions,
  };
}

function isSame(option: string, given: unknown, wanted: unknown, { n_embd }: PretrainedConfig): boolean {
  return option === 'n_hidden' ? (given ?? 4 * n_embd) === (wanted ?? 4 * n_embd) : given === wanted;
}

function isWithin(block: unknown, positions: unknown): boolean {
  return typeof block === 'number' && typeof positions === 'number' && block <= positions;
}

function contradiction(
  option: string,
  { value, place, wanted, origin }: { value: unknown; place: string; wanted: unknown; origin: string },
): UsageError {
  const is = `${place}: model.${option} is ${JSON.stringify(value)}`;
  const text =
    option === 'block_size'
      ? `${is}, and ${origin} has ${String(wanted)} positions; set it to at most that, or take it out`
      : `${is}, but the weights that init names need ${JSON.stringify(wanted)} (${origin}); take it out, or start from other weights; only block_size (smaller), dropout and LoRA are yours`;
  return new UsageError('ESP_PRETRAINED', text);
}

/** The config of a model of the Hub that is not on this machine. */
export function hubConfig(name: string): PretrainedConfig {
  return configSchema.parse(hubShape(name));
}

/** Reads a model's `config.json`. @throws UsageError when it is of no GPT-2 that can be loaded */
export async function readConfig(file: string): Promise<PretrainedConfig> {
  try {
    if ((await stat(file)).size > MAX_CONFIG_BYTES) throw new Error('it is over a megabyte');
    const content: unknown = readJsonFile(file);
    const type = z.looseObject({ model_type: z.string() }).safeParse(content).data?.model_type;
    if (type !== undefined && type !== 'gpt2') throw new Error(`its model_type is ${JSON.stringify(type)}, not "gpt2"`);
    const parsed = configSchema.safeParse(content);
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
    return parsed.data;
  } catch (thrown) {
    throw new UsageError('ESP_PRETRAINED', `${file} is no GPT-2 that can be loaded: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
