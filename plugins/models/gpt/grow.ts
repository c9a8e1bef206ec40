import { type Carry, type RandomStream } from '../../../core/index.js';
import type { GrowthStep } from '../../growth/contract.js';
import { mergedWeight } from '../weights/lora.js';
import type { Architecture } from './architecture.js';
import type { GptConfig } from './config.js';
import { initialValues, isTrainable, weightShapes } from './weights.js';

/** Values of a weight, row-major. */
export interface Values {
  readonly shape: number[];
  readonly values: Float32Array;
}

/** A weight of the model after a step. */
export interface Grown extends Values {
  /** Where its optimizer state comes from; undefined where it starts anew. */
  readonly carry: Carry | undefined;
}

/** The weights of the model after a step. @param next what the step makes of the shape */
export function grownWeights(
  config: GptConfig,
  { from, next, step }: { from: Architecture; next: Architecture; step: GrowthStep },
  old: ReadonlyMap<string, Values>,
  random: RandomStream,
): Map<string, Grown> {
  const streams = { base: random, lora: random };
  const merged = withMerges(config, from, next, step, old);
  const made = transformations(from, next, step, random);
  const grown = new Map<string, Grown>();
  for (const [name, shape] of weightShapes(config, next)) {
    const { source, axis, index, share, scale, noise } = made(name);
    const before = merged.get(source);
    const fits = before !== undefined && (index !== undefined || String(before.shape) === String(shape.shape));
    if (!fits) {
      grown.set(name, { shape: shape.shape, values: initialValues(name, shape, streams), carry: undefined });
      continue;
    }
    const values = index === undefined ? before.values.slice() : gathered(before, axis, index, scale);
    if (noise !== undefined) noise(values);
    // A weight that was merged into, or was not trained, has no moments of its own.
    const carried = old.get(source)?.values === before.values && isTrainable(source, from) && isTrainable(name, next);
    const carry = {
      from: source,
      ...(index === undefined ? {} : { axis, index }),
      ...(share === undefined ? {} : { share }),
    };
    grown.set(name, { shape: shape.shape, values, carry: carried ? carry : undefined });
  }
  return grown;
}

/** How one weight comes from the old ones. */
interface Transformation {
  readonly source: string;
  readonly axis: 0 | 1;
  readonly index?: readonly number[];
  /** [index]: factor of the values. */
  readonly scale?: readonly number[];
  /** [index]: the new gradient as a share of the old one. */
  readonly share?: readonly number[];
  readonly noise?: (values: Float32Array) => void;
}

function transformations(
  from: Architecture,
  next: Architecture,
  step: GrowthStep,
  random: RandomStream,
): (name: string) => Transformation {
  const same = (name: string): Transformation => ({ source: name, axis: 0 });
  if (step.kind === 'stack_layers') {
    return (name) => {
      const source = name.replace(/^transformer\.h\.(\d+)\./, (_, block: string) => {
        return `transformer.h.${String(step.layers[Number(block)] ?? block)}.`;
      });
      return { source, axis: 0 };
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
    return (name) => {
      if (name === 'transformer.wte.weight') return { source: name, axis: 0, index: step.rows, noise };
      if (name === 'transformer.wte.lora_A') return { source: name, axis: 0, index: step.rows };
      return same(name);
    };
  }
  return same;
}

/**
 * Net2WiderNet: new units are copies of old ones, and what leaves a unit is divided by how many there are of it.
 * The gradient of what enters a copy is divided likewise; that of what leaves it is the old one's.
 * Source: Chen, Goodfellow and Shlens, "Net2Net: accelerating learning via knowledge transfer", ICLR 2016, section 2.2.
 */
function widened(
  before: number,
  { n_layer: layers, n_hidden: hidden }: Architecture,
  deviation: number,
  random: RandomStream,
): (name: string) => Transformation {
  const units = Array.from({ length: layers }, () => {
    const index = Array.from({ length: hidden }, (_, unit) => (unit < before ? unit : random.below(before)));
    const copies = new Array<number>(before).fill(0);
    for (const unit of index) copies[unit] = (copies[unit] ?? 0) + 1;
    return { index, share: index.map((unit) => 1 / (copies[unit] ?? 1)) };
  });
  return (name) => {
    const [, block = '', part = '', kind = ''] = /^transformer\.h\.(\d+)\.mlp\.(c_fc|c_proj)\.(\w+)$/.exec(name) ?? [];
    const unit = units[Number(block)];
    if (part === '' || unit === undefined || (part === 'c_proj' && kind === 'bias')) return { source: name, axis: 0 };
    const { index, share } = unit;
    const noise = (values: Float32Array): void => {
      // The columns of what enters, the rows of what leaves.
      const isNew = (at: number): boolean =>
        (part === 'c_proj' ? Math.floor(at / (values.length / hidden)) : at % hidden) >= before;
      if (deviation === 0) return;
      for (let at = 0; at < values.length; at++)
        if (isNew(at)) values[at] = (values[at] ?? 0) + deviation * random.normal();
    };
    return part === 'c_proj'
      ? { source: name, axis: 0, index, scale: share, noise }
      : { source: name, axis: kind === 'bias' ? 0 : 1, index, share, noise };
  };
}

/** The old weights, with LoRA's terms added into those that lose them or start them anew; A and B are then gone. */
function withMerges(
  config: GptConfig,
  from: Architecture,
  next: Architecture,
  step: GrowthStep,
  old: ReadonlyMap<string, Values>,
): Map<string, Values> {
  const result = new Map(old);
  const merges = (before: number, after: number): boolean =>
    before > 0 && (step.kind === 'merge_lora' || before !== after);
  if (step.kind !== 'merge_lora' && step.kind !== 'set_lora_rank') return result;
  from.attn_lora_rank.forEach((rank, block) => {
    if (merges(rank, next.attn_lora_rank[block] ?? 0))
      merge(result, `transformer.h.${String(block)}.attn.c_attn`, config.lora_alpha);
  });
  if (merges(from.embedding_lora_rank, next.embedding_lora_rank)) merge(result, 'transformer.wte', config.lora_alpha);
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
