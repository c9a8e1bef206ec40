import { isDeepStrictEqual } from 'node:util';
import type { LoadedCheckpoint, Model, StoredTensor, WeightSource } from '../../../core/index.js';

/** Weights by name, with the shapes that matching needs. */
export type WeightShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;
export type MatchableModel = Pick<Model, 'weightSources' | 'description'> & { parameters(): WeightShapes };
type Stored = Pick<LoadedCheckpoint, 'weights'> & Partial<Pick<LoadedCheckpoint, 'model'>>;

/** How stored tensors match a model's weights. */
export interface WeightMatch {
  readonly sources: ReadonlyMap<string, WeightSource>;
  /** By the model's names. */
  readonly found: ReadonlyMap<string, StoredTensor>;
  /** Stored under another name, or in another shape: `from -> to`. */
  readonly mapped: readonly string[];
  /** Stored names without a place in the model. */
  readonly skipped: readonly string[];
  /** Weights that are not stored and may be missing. */
  readonly fresh: readonly string[];
  /** Reasons that weights do not fit, each with name and both shapes. */
  readonly misfits: readonly string[];
  /** Differing settings of the model that no shape shows, each with both values. */
  readonly differences: readonly string[];
}

/** How stored optimizer tensors match a model's weights. */
export interface OptimizerMatch {
  /** By the model's names, for `Optimizer.importState`. */
  readonly found: ReadonlyMap<string, StoredTensor>;
  /** The numbers; a weight's have its name in the model. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Weights without optimizer state, which start fresh. */
  readonly fresh: readonly string[];
}

/** Settings that do not affect what the weights compute, or that shapes show. */
const INDECISIVE = /^vocab_size$|(?:^|_)p?drop(?:out)?$/;

/** Finds the stored tensor of each weight, as the model prescribes. */
export function matchWeights(model: MatchableModel, stored: Stored): WeightMatch {
  const parameters = model.parameters();
  const { sources, optional = [], decisive } = model.weightSources?.(stored.weights) ?? byName(stored, parameters);
  const targets = new Map([...sources].map(([name, source]) => [source.stored, name]));
  const found = new Map<string, StoredTensor>();
  const mapped: string[] = [];
  const skipped: string[] = [];
  /** By the model's names. */
  const misfits = new Map<string, string>();
  for (const [name, tensor] of stored.weights) {
    const target = targets.get(name);
    const shape = target === undefined ? undefined : parameters.get(target)?.shape;
    if (target === undefined || shape === undefined) {
      skipped.push(name);
      continue;
    }
    const fitting = fitted(tensor, shape, sources.get(target));
    if (fitting === undefined) {
      misfits.set(target, `${name} is [${String(tensor.shape)}] there and [${String(shape)}] here`);
      continue;
    }
    found.set(target, fitting);
    if (target !== name || fitting !== tensor) mapped.push(`${name} -> ${target} [${String(shape)}]`);
  }
  const missing = [...parameters.keys()].filter((name) => !found.has(name) && !misfits.has(name));
  const fresh = missing.filter((name) => optional.includes(name));
  const lacking = missing.filter((name) => !optional.includes(name)).map((name) => `${name} is missing there`);
  return {
    sources,
    found,
    mapped,
    skipped,
    fresh,
    misfits: [...misfits.values(), ...lacking],
    differences: differences(stored.model ?? {}, model.description, decisive),
  };
}

/** Finds each weight's optimizer tensors and numbers under the weight's stored name. */
export function matchOptimizer(
  { tensors: stored, scalars }: Pick<LoadedCheckpoint['optimizer'], 'tensors' | 'scalars'>,
  sources: ReadonlyMap<string, WeightSource>,
  parameters: WeightShapes,
): OptimizerMatch {
  const groups = new Map<string, Map<string, StoredTensor>>();
  for (const [name, tensor] of stored) {
    const [owner, kind] = ownerAndKind(name);
    groups.set(owner, (groups.get(owner) ?? new Map<string, StoredTensor>()).set(kind, tensor));
  }
  const found = new Map<string, StoredTensor>();
  const takenBy = new Map<string, string>();
  const fresh: string[] = [];
  for (const [name, { shape }] of parameters) {
    const source = sources.get(name);
    const group = source === undefined ? undefined : groups.get(source.stored);
    const fitting = [...(group ?? [])].flatMap(([kind, tensor]): [string, StoredTensor][] => {
      const fits = fitted(tensor, shape, source);
      return fits === undefined ? [] : [[kind, fits]];
    });
    if (source === undefined || group === undefined || fitting.length < group.size) {
      fresh.push(name);
      continue;
    }
    for (const [kind, tensor] of fitting) found.set(`${name}.${kind}`, tensor);
    takenBy.set(source.stored, name);
  }
  const numbers = Object.entries(scalars).flatMap(([name, value]): [string, number][] => {
    const [owner, kind] = ownerAndKind(name);
    if (!groups.has(owner)) return [[name, value]];
    const parameter = takenBy.get(owner);
    return parameter === undefined ? [] : [[`${parameter}.${kind}`, value]];
  });
  return { found, scalars: Object.fromEntries(numbers), fresh };
}

function byName({ weights }: Stored, parameters: WeightShapes): ReturnType<NonNullable<Model['weightSources']>> {
  const names = [...weights.keys()].filter((name) => parameters.has(name));
  return { sources: new Map(names.map((name) => [name, { stored: name }])) };
}

/** Splits `wte.weight.exp_avg` into the weight and `exp_avg`. */
function ownerAndKind(name: string): [owner: string, kind: string] {
  const at = name.lastIndexOf('.');
  return [name.slice(0, Math.max(0, at)), name.slice(at + 1)];
}

function fitted(tensor: StoredTensor, shape: readonly number[], source?: WeightSource): StoredTensor | undefined {
  const is = (fitting: StoredTensor | undefined): boolean => String(fitting?.shape) === String(shape);
  if (is(tensor)) return tensor;
  const fitting = source?.fit?.(tensor);
  return is(fitting) ? fitting : undefined;
}

function differences(
  there: Record<string, unknown>,
  here: Record<string, unknown>,
  decisive: readonly string[] | undefined,
): string[] {
  return Object.entries(there).flatMap(([key, value]) => {
    const counts = decisive === undefined ? !INDECISIVE.test(key) : decisive.includes(key);
    if (!counts || !Object.hasOwn(here, key) || isDeepStrictEqual(here[key], value)) return [];
    return [`${key} is ${JSON.stringify(value)} there and ${JSON.stringify(here[key])} here`];
  });
}
