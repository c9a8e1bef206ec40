import type { StoredTensor, WeightSource, WeightSources } from '../../../core/index.js';
import { isLora } from '../weights/lora.js';

/** Wrappers that frameworks put around a model: their names come before those of its weights. */
const WRAPPERS = /^(?:_orig_mod\.|module\.)+/;

type WeightShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** What a model says about its stored weights. */
interface Stored {
  /** What names of weights begin with, and stored ones may lack. */
  readonly prefix: string;
  /** Keys of `Model.description` that no weight's shape shows. */
  readonly decisive: readonly string[];
  /** Converts a stored tensor to the weight's shape; undefined for weights that must have it. */
  readonly fit?: (name: string, shape: readonly number[]) => WeightSource['fit'];
}

/**
 * Finds the stored name of each weight: its own, wrappers' prefixes taken off first; then, of a layer's main weight, the
 * name with or without LoRA. LoRA's terms may be missing.
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
