import type { StoredTensor, WeightSource, WeightSources } from '../../../core/index.js';
import type { Architecture } from './architecture.js';
import type { GptConfig } from './config.js';
import { huggingFaceActivation } from '../weights/activations.js';

/** Wrappers that frameworks put around a model: their names come before those of its weights. */
const WRAPPERS = /^(?:_orig_mod\.|module\.)+/;
const LORA = /\.lora_[AB]$/;
/** The learned positions: a shorter context takes the first ones. */
const POSITIONS = /(?:^|\.)wpe\.weight$/;
/** Settings that no weight's shape shows. */
const DECISIVE = [
  ...['model_type', 'rotary_base', 'lora_alpha', 'n_head', 'activation_function'],
  ...['layer_norm_epsilon', 'tie_word_embeddings'],
];

/** What Hugging Face's `config.json` holds of a model: a checkpoint's model is one of transformers', where it can be. */
export function descriptionOf(config: GptConfig, architecture: Architecture): Record<string, unknown> {
  const { n_head, n_embd, block_size, bias, dropout, activation, rotary, rotary_base, lora_alpha } = config;
  const { n_layer, n_hidden, vocab_size, attn_lora_rank, embedding_lora_rank } = architecture;
  const lora = embedding_lora_rank > 0 || attn_lora_rank.some((rank) => rank > 0);
  return {
    // Transformers has no GPT-2 with rotary positions.
    ...(rotary ? { model_type: 'espalier', rotary_base } : { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'] }),
    ...(lora ? { lora_alpha } : {}),
    vocab_size,
    n_positions: block_size,
    n_ctx: block_size,
    n_layer,
    n_head,
    n_embd,
    n_inner: n_hidden === 4 * n_embd ? null : n_hidden,
    activation_function: huggingFaceActivation(activation),
    layer_norm_epsilon: 1e-5,
    attn_pdrop: dropout,
    embd_pdrop: dropout,
    resid_pdrop: dropout,
    tie_word_embeddings: true,
    bias,
  };
}

type WeightShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/**
 * Finds the stored name of each weight: its own, wrappers' prefixes taken off first; then, of a layer's main weight, the
 * name with or without LoRA. LoRA's terms may be missing.
 */
export function weightSources(stored: ReadonlyMap<string, StoredTensor>, parameters: WeightShapes): WeightSources {
  const sources = new Map<string, WeightSource>();
  for (const name of stored.keys()) {
    const bare = name.replace(WRAPPERS, '');
    const target = [bare, ...otherNames(bare)].find((candidate) => parameters.has(candidate));
    if (target === undefined || sources.has(target)) continue;
    const shape = parameters.get(target)?.shape ?? [];
    sources.set(target, { stored: name, ...(POSITIONS.test(target) ? { fit: (from) => firstRows(from, shape) } : {}) });
  }
  return { sources, optional: [...parameters.keys()].filter((name) => LORA.test(name)), decisive: DECISIVE };
}

function otherNames(name: string): string[] {
  return [
    name.replace(/\.main_weight\.weight$/, '.weight'),
    name.replace(/\.weight$/, '.main_weight.weight'),
    name.startsWith('transformer.') ? name.slice('transformer.'.length) : `transformer.${name}`,
  ].filter((other) => other !== name);
}

/** The first of a matrix's rows, where it has more. */
function firstRows(
  { shape, values }: StoredTensor,
  [rows = 0, columns = 0]: readonly number[],
): StoredTensor | undefined {
  if (shape[1] !== columns || (shape[0] ?? 0) <= rows) return undefined;
  return { shape: [rows, columns], values: values.slice(0, rows * columns) };
}
