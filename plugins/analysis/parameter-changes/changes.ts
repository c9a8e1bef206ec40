import type { Tensor } from '@tensorflow/tfjs-core';
import type { StoredTensor } from '../../../core/index.js';

/** Parts of a model, by what their weights' names hold; `all` is everything. */
export const components = ['all', 'embedding', 'attention', 'mlp', 'norms', 'other'] as const;
export type Component = (typeof components)[number];

/** How a tensor, or a part of the model, changed: Euclidean norms. */
export interface Change {
  readonly name: string;
  /** Of the difference. */
  readonly difference: number;
  /** Of the weights before. */
  readonly before: number;
}

/**
 * Of each tensor that has the shape it had, in the order of `now`; summed up in f64, element by element, so that the
 * same weights give the same figures, to the bit.
 */
export function tensorChanges(before: ReadonlyMap<string, StoredTensor>, now: ReadonlyMap<string, Tensor>): Change[] {
  return [...now].flatMap(([name, tensor]) => {
    const old = before.get(name);
    if (old === undefined || String(old.shape) !== String(tensor.shape)) return [];
    return [{ name, ...norms(old.values, tensor.dataSync()) }];
  });
}

/** Of each part that has any tensors. */
export function componentChanges(tensors: readonly Change[]): (Change & { readonly name: Component })[] {
  return components.flatMap((name) => {
    const of = tensors.filter((tensor) => name === 'all' || componentOf(tensor.name) === name);
    if (of.length === 0) return [];
    const total = (key: 'difference' | 'before'): number =>
      Math.sqrt(of.reduce((sum, each) => sum + each[key] ** 2, 0));
    return [{ name, difference: total('difference'), before: total('before') }];
  });
}

/** The change as a share of what was; Infinity for what was zero and is not, 0 for what stayed zero. */
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
