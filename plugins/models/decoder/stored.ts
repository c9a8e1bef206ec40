import type { StoredTensor, WeightSource, WeightSources } from '../../../core/index.js';
import { isLora } from '../weights/lora.js';

/** Prefixes that frameworks' wrappers add to the names of weights. */
const WRAPPERS = /^(?:_orig_mod\.|module\.)+/;

type WeightShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** How a model's weights are stored. */
interface Stored {
  /** Prefix of weight names that stored names may lack. */
  readonly prefix: string;
  /** Keys of `Model.description` that no weight's shape shows. */
  readonly decisive: readonly string[];
  /** Returns a function that converts a stored tensor to the weight's shape; undefined if shapes must be equal. */
  readonly fit?: (name: string, shape: readonly number[]) => WeightSource['fit'];
}

/**
 * Finds the stored name of each weight: its own, after removing wrappers' prefixes; for a layer's main weight, also the
 * name with or without LoRA. LoRA's tensors may be missing.
 */
export function sourcesOf(
  stored: ReadonlyMap<string, StoredTensor>,
  parameters: WeightShapes,
  { prefix, decisive, fit: fitOf }: Stored,
): WeightSources {
  const sources = new Map<string, WeightSource>();
  for (const name of stored.keys()) {
    const bare = name.replace(WRAPPERS, '');
    const target = [bare, ...otherNames(bare, prefix)].find((candidate) => parameters.has(candidate));
    if (target === undefined || sources.has(target)) continue;
    const fit = fitOf?.(target, parameters.get(target)?.shape ?? []);
    sources.set(target, { stored: name, ...(fit === undefined ? {} : { fit }) });
  }
  return { sources, optional: [...parameters.keys()].filter(isLora), decisive };
}

function otherNames(name: string, prefix: string): string[] {
  return [
    name.replace(/\.main_weight\.weight$/, '.weight'),
    name.replace(/\.weight$/, '.main_weight.weight'),
    name.startsWith(prefix) ? name.slice(prefix.length) : `${prefix}${name}`,
  ].filter((other) => other !== name);
}
