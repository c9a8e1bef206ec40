import { type Carry, type RandomStream } from '../../../core/index.js';
import type { GrowthStep } from '../../growth/contract.js';
import { isLora, mergedWeight } from '../weights/lora.js';
import type { Architecture } from './architecture.js';
import type { Blueprint } from './blueprint.js';
import { isTrainable, type DescribedWeight } from './described.js';
import { initialValues } from './drawing.js';

/** Values of a weight, row-major. */
export interface Values {
  readonly shape: number[];
  readonly values: Float32Array;
}

/** A weight after a growth step. */
export interface Grown extends Values {
  readonly trainable: boolean;
  /** Where its optimizer state comes from; undefined if it starts fresh. */
  readonly carry: Carry | undefined;
}

/** Returns the model's weights after a growth step. @param next the shape after the step */
export function grownWeights(
  blueprint: Blueprint,
  { from, next, step }: { from: Architecture; next: Architecture; step: GrowthStep },
  old: ReadonlyMap<string, Values>,
  random: RandomStream,
): Map<string, Grown> {
  const streams = { base: random, lora: random };
  const trained = new Map(blueprint.weights(from).map((weight) => [weight.name, isTrainable(weight, from)]));
  const described = blueprint.weights(next);
  const merged = withMerges(described, step, old, blueprint.config.lora_alpha);
  const made = transformations(from, next, step, random);
  const grown = new Map<string, Grown>();
  for (const weight of described) {
    const { name, shape } = weight;
    const trainable = isTrainable(weight, next);
    const { source, axis, index, share, scale, noise } = made(weight);
    const before = merged.get(source);
    const fits = before !== undefined && (index !== undefined || String(before.shape) === String(shape));
    if (!fits) {
      grown.set(name, { shape, values: initialValues(weight, streams), trainable, carry: undefined });
      continue;
    }
    const values = index === undefined ? before.values.slice() : gathered(before, axis, index, scale);
    if (noise !== undefined) noise(values);
    // A weight that LoRA was merged into, or that was not trained, has no moments.
    const carried = old.get(source)?.values === before.values && trained.get(source) === true && trainable;
    const carry = {
      from: source,
      ...(index === undefined ? {} : { axis, index }),
      ...(share === undefined ? {} : { share }),
    };
    grown.set(name, { shape, values, trainable, carry: carried ? carry : undefined });
  }
  return grown;
}

/** How a weight is derived from the old ones. */
interface Transformation {
  readonly source: string;
  readonly axis: 0 | 1;
  readonly index?: readonly number[];
  /** [index]: factor of the values. */
  readonly scale?: readonly number[];
  /** [index]: new gradient relative to the old one. */
  readonly share?: readonly number[];
  readonly noise?: (values: Float32Array) => void;
}

function transformations(
  from: Architecture,
  next: Architecture,
  step: GrowthStep,
  random: RandomStream,
): (weight: DescribedWeight) => Transformation {
  const same = ({ name }: DescribedWeight): Transformation => ({ source: name, axis: 0 });
  if (step.kind === 'stack_layers') {
    return ({ name, depth }) => {
      const block = depth === undefined ? undefined : step.layers[depth];
      // The first number in a weight's name is its block's index.
      return { source: block === undefined ? name : name.replace(/\.\d+\./, `.${String(block)}.`), axis: 0 };
    };
  }
  if (step.kind === 'widen_mlp') return widened(from.n_hidden, next, step.noise, random);
  if (step.kind === 'resize_vocabulary') {
    const noise = (values: Float32Array): void => {
      const width = values.length / step.rows.length;
      for (let i = 0; i < values.length; i++) {
        if (step.kept[Math.floor(i / width)] === false) values[i] = (values[i] ?? 0) + step.noise * random.normal();
      }
    };
    return (weight) => {
      if (weight.tokens !== true) return same(weight);
      return { source: weight.name, axis: 0, index: step.rows, ...(isLora(weight.name) ? {} : { noise }) };
    };
  }
  return same;
}

/**
 * Net2WiderNet: new units are copies of old ones, and a unit's outgoing weights are divided by its number of copies.
 * The gradients of incoming weights are divided likewise; those of outgoing weights are unchanged.
 * Source: Chen, Goodfellow and Shlens, "Net2Net: accelerating learning via knowledge transfer", ICLR 2016, section 2.2.
 */
function widened(
  before: number,
  { n_layer: layers, n_hidden: hidden }: Architecture,
  deviation: number,
  random: RandomStream,
): (weight: DescribedWeight) => Transformation {
  const blocks = Array.from({ length: layers }, () => {
    const index = Array.from({ length: hidden }, (_, unit) => (unit < before ? unit : random.below(before)));
    const copies = new Array<number>(before).fill(0);
    for (const unit of index) copies[unit] = (copies[unit] ?? 0) + 1;
    return { index, share: index.map((unit) => 1 / (copies[unit] ?? 1)) };
  });
  return ({ name, depth = -1, units, shape }) => {
    const block = blocks[depth];
    if (units === undefined || block === undefined) return { source: name, axis: 0 };
    const { index, share } = block;
    const noise = (values: Float32Array): void => {
      if (deviation === 0 || isLora(name)) return;
      // Columns of incoming weights, rows of outgoing ones.
      const isNew = (at: number): boolean =>
        (units === 'read' ? Math.floor(at / (values.length / hidden)) : at % hidden) >= before;
      for (let at = 0; at < values.length; at++)
        if (isNew(at)) values[at] = (values[at] ?? 0) + deviation * random.normal();
    };
    return units === 'read'
      ? { source: name, axis: 0, index, scale: share, noise }
      : { source: name, axis: shape.length === 1 ? 0 : 1, index, share, noise };
  };
}

/** Returns the old weights with LoRA merged into those that lose or restart it; their A and B are removed. */
function withMerges(
  next: readonly DescribedWeight[],
  step: GrowthStep,
  old: ReadonlyMap<string, Values>,
  alpha: number,
): Map<string, Values> {
  const result = new Map(old);
  if (step.kind !== 'merge_lora' && step.kind !== 'set_lora_rank') return result;
  const ranks = new Map(next.map(({ name, shape }) => [name, shape[1]]));
  for (const [name, { shape }] of old) {
    if (!name.endsWith('.lora_A')) continue;
    const changes = step.kind === 'merge_lora' || ranks.get(name) !== shape[1];
    if (changes) merge(result, name.slice(0, -'.lora_A'.length), alpha);
  }
  return result;
}

function merge(weights: Map<string, Values>, name: string, alpha: number): void {
  const [main, a, b] = ['weight', 'lora_A', 'lora_B'].map((part) => weights.get(`${name}.${part}`));
  if (main === undefined || a === undefined || b === undefined) throw new Error(`${name} has no LoRA`);
  weights.set(`${name}.weight`, mergedWeight(main, { a, b, alpha }));
  weights.delete(`${name}.lora_A`);
  weights.delete(`${name}.lora_B`);
}

function gathered(
  { shape, values }: Values,
  axis: 0 | 1,
  index: readonly number[],
  scale?: readonly number[],
): Float32Array {
  const [rows = 1, columns = 1] = shape.length === 1 ? [shape[0], 1] : shape;
  const result = new Float32Array(axis === 0 ? index.length * columns : rows * index.length);
  index.forEach((source, to) => {
    const factor = scale?.[to] ?? 1;
    if (axis === 0) {
      for (let j = 0; j < columns; j++) result[to * columns + j] = factor * (values[source * columns + j] ?? 0);
    } else {
      for (let i = 0; i < rows; i++) result[i * index.length + to] = factor * (values[i * columns + source] ?? 0);
    }
  });
  return result;
}
