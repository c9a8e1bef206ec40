import type { WeightRole } from '../../optimizers/contract.js';
import { isLora } from '../weights/lora.js';
import type { Architecture } from './architecture.js';

export const INIT_DEVIATION = 0.02;

/** Initial values of a weight: normal with a deviation, uniform within a bound, or constant; default: zeros. */
export interface Start {
  readonly deviation?: number;
  readonly bound?: number;
  readonly value?: number;
}

/** A weight of a decoder: its shape, initial values, and role in the model. */
export interface DescribedWeight extends WeightRole, Start {
  readonly name: string;
  readonly shape: number[];
  /** The layer it belongs to, as named in schedules: `attn.3`, `ln_f`, `wte`. */
  readonly layer: string;
  /** True for the main weight of a layer with LoRA, which is not trained. */
  readonly hasLora?: boolean;
  /** For MLP layers: whether the weight reads the hidden units or produces them. */
  readonly units?: 'read' | 'given';
  /** True if each row belongs to a token. */
  readonly tokens?: boolean;
}

interface Place {
  readonly layer: string;
  /** Index of the block. */
  readonly depth?: number;
}

interface Linear extends Place {
  readonly from: number;
  readonly to: number;
  readonly deviation?: number;
  readonly bias?: boolean;
  /** Rank of its LoRA; default 0: none. */
  readonly rank?: number | undefined;
  readonly parts?: readonly number[];
  readonly units?: 'read' | 'given';
}

/** Describes `name.weight` [from, to], with its bias and LoRA if it has them. */
export function linearWeights(name: string, what: Linear): DescribedWeight[] {
  const { from, to, deviation = INIT_DEVIATION, bias = false, rank = 0, parts, units } = what;
  const place = placeOf(what);
  const columns = parts === undefined ? {} : { parts };
  const [reads, gives] = [units === 'read' ? { units } : {}, units === 'given' ? { units } : {}];
  const biases: DescribedWeight[] = [{ name: `${name}.bias`, role: 'bias', ...place, ...gives, shape: [to] }];
  const lora: DescribedWeight[] = [
    // Hu et al., "LoRA", ICLR 2022, section 4.1; A Kaiming-uniform with a = √5, as PyTorch's linear layers start.
    { name: `${name}.lora_A`, role: 'matrix', ...place, ...reads, shape: [from, rank], bound: 1 / Math.sqrt(from) },
    { name: `${name}.lora_B`, role: 'matrix', ...place, ...gives, ...columns, shape: [rank, to] },
  ];
  return [
    {
      ...{ name: `${name}.weight`, role: 'matrix', ...place, ...reads, ...gives, ...columns },
      ...{ shape: [from, to], deviation, hasLora: rank > 0 },
    },
    ...(bias ? biases : []),
    ...(rank > 0 ? lora : []),
  ];
}

/** Describes `name.weight` [width], all ones, with its bias if it has one. */
export function normWeights(name: string, what: Place & { width: number; bias?: boolean }): DescribedWeight[] {
  const { width, bias = false } = what;
  const place = placeOf(what);
  const biases: DescribedWeight[] = [{ name: `${name}.bias`, role: 'bias', ...place, shape: [width] }];
  return [{ name: `${name}.weight`, role: 'norm', ...place, shape: [width], value: 1 }, ...(bias ? biases : [])];
}

/** Describes `name.weight` [vocabulary, width], with its LoRA if it has one. */
export function tokenWeights(
  name: string,
  what: { role: 'embedding' | 'head'; layer: string; vocabulary: number; width: number; rank?: number },
): DescribedWeight[] {
  const { role, layer, vocabulary, width, rank = 0 } = what;
  const rows = { role, layer, tokens: true, deviation: INIT_DEVIATION } as const;
  return [
    { name: `${name}.weight`, ...rows, shape: [vocabulary, width], hasLora: rank > 0 },
    ...(rank === 0
      ? []
      : [
          { name: `${name}.lora_A`, ...rows, shape: [vocabulary, rank] },
          { name: `${name}.lora_B`, role, layer, shape: [rank, width] },
        ]),
  ];
}

/** The main weight of a layer with LoRA, and everything frozen, is not trained. */
export function isTrainable({ name, role, layer, hasLora }: DescribedWeight, of: Architecture): boolean {
  if (hasLora === true || of.frozen.includes(layer)) return false;
  if (of.trained === 'lora') return isLora(name);
  return of.trained === 'all' || role === 'embedding' || role === 'head';
}

function placeOf({ layer, depth }: Place): Place {
  return depth === undefined ? { layer } : { layer: `${layer}.${String(depth)}`, depth };
}
