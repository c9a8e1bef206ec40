import type { StoredTensor, WeightSource, WeightSources } from '../../../core/index.js';

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
