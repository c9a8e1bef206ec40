import type { StoredTensor, WeightSources } from '../../../core/index.js';
import { hasLora, type Architecture } from '../decoder/architecture.js';
import { sourcesOf } from '../decoder/stored.js';
import { huggingFaceActivation } from '../weights/activations.js';
import { rowsOf } from '../weights/layout.js';
import type { GptConfig } from './config.js';

/** The learned positions. */
const POSITIONS = /(?:^|\.)wpe\.weight$/;
/** Settings that no weight's shape shows. */
const DECISIVE = [
  ...['model_type', 'rotary_base', 'lora_alpha', 'n_head', 'activation_function'],
  ...['layer_norm_epsilon', 'tie_word_embeddings'],
];

/**
 * Returns Hugging Face's `config.json` of a model, so that transformers can load the checkpoint if it has such a model.
 */
export function descriptionOf(config: GptConfig, architecture: Architecture): Record<string, unknown> {
  const { n_head, n_embd, block_size, bias, dropout, activation, rotary, rotary_base, lora_alpha } = config;
  const { n_layer, n_hidden, vocab_size } = architecture;
  return {
    // transformers has no GPT-2 with rotary positions.
    ...(rotary ? { model_type: 'espalier', rotary_base } : { model_type: 'gpt2', architectures: ['GPT2LMHeadModel'] }),
    ...(hasLora(architecture) ? { lora_alpha } : {}),
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

/** Finds the stored name of each weight; a shorter context uses the first of the learned positions. */
export function weightSources(
  stored: ReadonlyMap<string, StoredTensor>,
  parameters: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): WeightSources {
  return sourcesOf(stored, parameters, {
    prefix: 'transformer.',
    decisive: DECISIVE,
    fit: (name, shape) => (POSITIONS.test(name) ? (from) => firstRows(from, shape) : undefined),
  });
}

/** Returns the first rows of a matrix that has more. */
function firstRows(from: StoredTensor, [rows = 0, columns = 0]: readonly number[]): StoredTensor | undefined {
  const [stored = 0, width] = from.shape;
  return width === columns && stored > rows ? rowsOf(from, 0, rows) : undefined;
}
