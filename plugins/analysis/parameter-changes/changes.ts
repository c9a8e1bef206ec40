import type { Tensor } from '@tensorflow/tfjs-core';
import type { StoredTensor } from '../../../core/index.js';

/** Parts of a model, told apart by the names of their weights; `all` is the whole model. */
export const components = ['all', 'embedding', 'attention', 'mlp', 'norms', 'other'] as const;
export type Component = (typeof components)[number];

/** How a tensor, or a part of the model, changed, as Euclidean norms. */
export interface Change {
  readonly name: string;
  /** Norm of the difference. */
  readonly difference: number;
  /** Norm of the previous weights. */
  readonly before: number;
}

/**
 * Returns the change of each tensor whose shape is unchanged, in the order of `now`. Sums in f64 in element order, so
 * equal weights give equal bits.
 */
export function tensorChanges(before: ReadonlyMap<string, StoredTensor>, now: ReadonlyMap<string, Tensor>): Change[] {
  return [...now].flatMap(([name, tensor]) => {
    const old = before.get(name);
    if (old === undefined || String(old.shape) !== String(tensor.shape)) return [];
    return [{ name, ...norms(old.values, tensor.dataSync()) }];
  });
}

/** Returns the change of each part of the model that has tensors. */
export function componentChanges(tensors: readonly Change[]): (Change & { readonly name: Component })[] {
  return components.flatMap((name) => {
    const of = tensors.filter((tensor) => name === 'all' || componentOf(tensor.name) === name);
    if (of.length === 0) return [];
    const total = (key: 'difference' | 'before'): number =>
      Math.sqrt(of.reduce((sum, each) => sum + each[key] ** 2, 0));
    return [{ name, difference: total('difference'), before: total('before') }];
  });
}

/** Returns the change relative to the previous norm; Infinity if only that was 0, and 0 if nothing changed. */
export function shareOf({ difference, before }: Change): number {
  return difference === 0 ? 0 : difference / before;
}

function componentOf(name: string): Component {
  if (/\.(wte|wpe)\.|^lm_head\./.test(name)) return 'embedding';
  if (name.includes('.attn.')) return 'attention';
  if (name.includes('.mlp.')) return 'mlp';
  return /\.ln_\w+\./.test(name) ? 'norms' : 'other';
}

function norms(before: ArrayLike<number>, now: ArrayLike<number>): { difference: number; before: number } {
  let [difference, size] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    const old = before[i] ?? 0;
    difference += ((now[i] ?? 0) - old) ** 2;
    size += old ** 2;
  }
  return { difference: Math.sqrt(difference), before: Math.sqrt(size) };
}
