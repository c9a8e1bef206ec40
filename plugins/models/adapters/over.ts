import type { Model, PretrainedWeights } from '../../../core/index.js';
import { sameTensor } from '../weights/layout.js';
import { refusal } from '../weights/refusal.js';
import type { AdapterLayout } from './layout.js';
import type { Adapter } from './read.js';
import { adapterTerms } from './terms.js';

/**
 * Combines the weights of a base model with an adapter's LoRA. @throws UsageError if the adapter is for another model
 */
export function overBase(
  base: PretrainedWeights,
  adapter: Adapter,
  { layout, model }: { readonly layout: AdapterLayout; readonly model: Model },
): PretrainedWeights {
  for (const [name, tensor] of adapter.embeddings) {
    const module = name.replace(/\.weight$/, '');
    // A head without weights of its own uses the embedding's.
    const own = base.weights.get(name) ?? base.weights.get(`${layout.layerOf(module)?.layer ?? ''}.weight`);
    if (own !== undefined && sameTensor(own, tensor)) continue;
    throw refusal(
      `${adapter.folder} contains ${name}, which differs from that in ${base.path}`,
      'merge the adapter into its model (merge_and_unload() of peft), save that, and set init to it',
    );
  }
  const modules = [...adapter.layers.values()].flat().length;
  return {
    path: base.path,
    weights: new Map([...base.weights, ...adapterTerms(adapter, layout, model)]),
    notes: [...base.notes, `with the LoRA of ${String(modules)} modules from ${adapter.folder}`],
  };
}
