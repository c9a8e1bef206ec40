import type { Variable } from '@tensorflow/tfjs-core';
import type { LoadedCheckpoint, StoredTensor } from '../contracts/checkpoint-store.js';

/** Wrappers that frameworks put around a model: their names stand before those of its weights. */
const WRAPPERS = /^(?:_orig_mod\.|module\.)+/;
/** Weights that a model may have and a checkpoint lack: they start as new ones do. */
const OPTIONAL = /\.lora_[AB]$/;
/** The learned positions: a shorter context takes the first ones. */
const POSITIONS = /(?:^|\.)wpe\.weight$/;

/** How stored tensors fit the weights of a model. */
export interface WeightMatch {
  /** By the model's names. */
  readonly found: ReadonlyMap<string, StoredTensor>;
  /** Stored under another name, or cropped: `from -> to`. */
  readonly mapped: readonly string[];
  /** Stored names that the model has no place for. */
  readonly skipped: readonly string[];
  /** Weights that are not stored and may be missing. */
  readonly fresh: readonly string[];
  /** What keeps them from fitting, each with the name and both shapes. */
  readonly misfits: readonly string[];
}

/**
 * Finds the stored tensor of each weight: by its name, wrappers' prefixes taken off first; then a LoRA layer's main
 * weight by the plain layer's name, and the other way round.
 */
export function matchWeights(
  stored: ReadonlyMap<string, StoredTensor>,
  parameters: ReadonlyMap<string, Pick<Variable, 'shape'>>,
): WeightMatch {
  const found = new Map<string, StoredTensor>();
  const mapped: string[] = [];
  const skipped: string[] = [];
  /** By the model's names. */
  const misfits = new Map<string, string>();
  for (const [name, tensor] of stored) {
    const bare = name.replace(WRAPPERS, '');
    const target = [bare, ...otherNames(bare)].find((candidate) => parameters.has(candidate));
    if (target === undefined || found.has(target)) {
      skipped.push(name);
      continue;
    }
    const shape = parameters.get(target)?.shape ?? [];
    const fitting = fitted(tensor, shape, POSITIONS.test(target));
    if (fitting === undefined) {
      misfits.set(target, `${name} is [${String(tensor.shape)}] there and [${String(shape)}] here`);
    } else found.set(target, fitting);
    if (target !== name || fitting !== tensor) mapped.push(`${name} -> ${target} [${String(shape)}]`);
  }
  const missing = [...parameters.keys()].filter((name) => !found.has(name) && !misfits.has(name));
  const fresh = missing.filter((name) => OPTIONAL.test(name));
  const lacking = missing.filter((name) => !OPTIONAL.test(name)).map((name) => `${name} is missing there`);
  return { found, mapped, skipped, fresh, misfits: [...misfits.values(), ...lacking] };
}

/** How stored tensors of an optimizer fit a model's weights. */
export interface OptimizerMatch {
  /** By the model's names, as `Optimizer.importState` takes them. */
  readonly found: ReadonlyMap<string, StoredTensor>;
  /** The numbers, those of a weight by its name in the model. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Weights without any: they start fresh. */
  readonly fresh: readonly string[];
}

/** Finds the optimizer's tensors and numbers of each weight, by name, where the shapes are the same. */
export function matchOptimizer(
  { tensors: stored, scalars }: Pick<LoadedCheckpoint['optimizer'], 'tensors' | 'scalars'>,
  parameters: ReadonlyMap<string, Pick<Variable, 'shape'>>,
): OptimizerMatch {
  const groups = new Map<string, Map<string, StoredTensor>>();
  for (const [name, tensor] of stored) {
    const [owner, kind] = ownerAndKind(name);
    groups.set(owner, (groups.get(owner) ?? new Map<string, StoredTensor>()).set(kind, tensor));
  }
  const owners = new Set(groups.keys());
  const found = new Map<string, StoredTensor>();
  const takenBy = new Map<string, string>();
  const take = (parameter: string, owner: string, shape: readonly number[], crop: boolean): void => {
    for (const [kind, tensor] of groups.get(owner) ?? []) {
      found.set(`${parameter}.${kind}`, fitted(tensor, shape, crop) ?? tensor);
    }
    groups.delete(owner);
    takenBy.set(owner, parameter);
  };
  const fits = (owner: string, shape: readonly number[], crop: boolean): boolean =>
    [...(groups.get(owner)?.values() ?? [])].every((tensor) => fitted(tensor, shape, crop) !== undefined);
  const fresh: string[] = [];
  for (const [name, { shape }] of parameters) {
    const owner = [name, ...otherNames(name)].find((candidate) => groups.has(candidate));
    const crop = POSITIONS.test(name);
    if (owner === undefined || !fits(owner, shape, crop)) fresh.push(name);
    else take(name, owner, shape, crop);
  }
  const numbers = Object.entries(scalars).flatMap(([name, value]): [string, number][] => {
    const [owner, kind] = ownerAndKind(name);
    if (!owners.has(owner)) return [[name, value]];
    const parameter = takenBy.get(owner);
    return parameter === undefined ? [] : [[`${parameter}.${kind}`, value]];
  });
  return { found, scalars: Object.fromEntries(numbers), fresh };
}

/** `transformer.wte.weight.exp_avg` → the weight, and `exp_avg` */
function ownerAndKind(name: string): [owner: string, kind: string] {
  const at = name.lastIndexOf('.');
  return [name.slice(0, Math.max(0, at)).replace(WRAPPERS, ''), name.slice(at + 1)];
}

function otherNames(name: string): string[] {
  return [
    name.replace(/\.main_weight\.weight$/, '.weight'),
    name.replace(/\.weight$/, '.main_weight.weight'),
    name.startsWith('transformer.') ? name.slice('transformer.'.length) : `transformer.${name}`,
  ].filter((other) => other !== name);
}

/** The tensor where its shape is that; its first rows where those may be fewer. */
function fitted(tensor: StoredTensor, shape: readonly number[], crop: boolean): StoredTensor | undefined {
  if (String(tensor.shape) === String(shape)) return tensor;
  const [rows = 0, columns = 0] = shape;
  const croppable = crop && shape.length === 2 && tensor.shape[1] === columns && (tensor.shape[0] ?? 0) > rows;
  return croppable ? { shape: [...shape], values: tensor.values.slice(0, rows * columns) } : undefined;
}
