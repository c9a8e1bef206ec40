import type { Activation } from '../../../ops/contract.js';

/** Activations that use tables; the others are a comparison. */
export type Tabulated = Exclude<Activation, 'relu' | 'relu2'>;

/** A function that is looked up between ±limit; beyond, it is `above` · x or `above`, and 0 below. */
export interface Table {
  /** Beyond ±limit, the activation equals x or 0 in float32. */
  readonly limit: number;
  /** Taylor coefficients up to third order at every node, from -limit on. */
  readonly values: Float64Array;
  /** The same for the derivative. */
  readonly slopes: Float64Array;
}

const STEPS_PER_UNIT = 64;
const STEP = 1 / STEPS_PER_UNIT;
const TERMS = 4;

const known = new Map<Tabulated, Table>();

/** Returns the tables of an activation and its derivative, created on first use. */
export function tableOf(kind: Tabulated): Table {
  const before = known.get(kind);
  if (before !== undefined) return before;
  const made = makers[kind]();
  known.set(kind, made);
  return made;
}

/** Evaluates a table to third order around the nearest node, with an error below 1e-9. `x` must be within the limit. */
export function near(table: Float64Array, limit: number, x: number): number {
  const node = ((x + limit) * STEPS_PER_UNIT + 0.5) | 0;
  const beyond = x + limit - node * STEP;
  const at = node * TERMS;
  return table[at]! + beyond * (table[at + 1]! + beyond * (table[at + 2]! + beyond * table[at + 3]!));
}

const makers: Readonly<Record<Tabulated, () => Table>> = {
  gelu,
  gelu_tanh: () => {
    const root = 2 * Math.sqrt(2 / Math.PI);
    const argument = (x: number): number => root * (x + 0.044715 * x ** 3);
    const slope = (x: number): number => root * (1 + 3 * 0.044715 * x ** 2);
    return {
      limit: 6,
      values: tabulated(6, (x) => x * logistic(argument(x))),
      slopes: tabulated(6, (x) => logistic(argument(x)) * (1 + x * logistic(-argument(x)) * slope(x))),
    };
  },
  silu: () => ({
    limit: 24,
    values: tabulated(24, (x) => x * logistic(x)),
    slopes: tabulated(24, (x) => logistic(x) * (1 + x * logistic(-x))),
  }),
};

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Computes Taylor coefficients of a smooth function from differences at a node's neighbours, to sixth order. */
function tabulated(limit: number, of: (x: number) => number): Float64Array {
  const nodes = 2 * limit * STEPS_PER_UNIT + 1;
  const around = Float64Array.from({ length: nodes + 6 }, (_, i) => of((i - 3) * STEP - limit));
  const table = new Float64Array(nodes * TERMS);
  for (let node = 0; node < nodes; node++) {
    const at = (offset: number): number => around[node + 3 + offset]!;
    const odd = (offset: number): number => at(offset) - at(-offset);
    const even = (offset: number): number => at(offset) + at(-offset) - 2 * at(0);
    const first = (45 * odd(1) - 9 * odd(2) + odd(3)) / 60 / STEP;
    const second = (270 * even(1) - 27 * even(2) + 2 * even(3)) / 180 / STEP ** 2;
    const third = (-13 * odd(1) + 8 * odd(2) - odd(3)) / 8 / STEP ** 3;
    table.set([at(0), first, second / 2, third / 6], node * TERMS);
  }
  return table;
}

const GELU_LIMIT = 6;
const GELU_NODES = 2 * GELU_LIMIT * STEPS_PER_UNIT + 1;

/** Computes Taylor coefficients of x Φ(x) and of its derivative at every node; φ' = -x φ. */
function gelu(): Table {
  const values = new Float64Array(GELU_NODES * TERMS);
  const slopes = new Float64Array(GELU_NODES * TERMS);
  for (const [node, distribution] of integrate().entries()) {
    const x = node * STEP - GELU_LIMIT;
    const density = densityAt(x);
    const slope = distribution + x * density;
    const [second, third] = [density * (2 - x * x), density * x * (x * x - 4)];
    const fourth = density * (x * x * (7 - x * x) - 4);
    values.set([x * distribution, slope, second / 2, third / 6], node * TERMS);
    slopes.set([slope, second, third / 2, fourth / 6], node * TERMS);
  }
  return { limit: GELU_LIMIT, values, slopes };
}

/** Computes Φ at every node by Simpson's rule, with eight parts per step, from the middle outwards. */
function integrate(): Float64Array {
  const [middle, parts] = [GELU_LIMIT * STEPS_PER_UNIT, 8];
  const distribution = new Float64Array(GELU_NODES);
  distribution[middle] = 0.5;
  for (let node = middle; node < GELU_NODES - 1; node++) {
    let sum = 0;
    for (let part = 0; part < parts; part++) {
      const x = (node + part / parts) * STEP - GELU_LIMIT;
      const width = STEP / parts;
      sum += ((densityAt(x) + 4 * densityAt(x + width / 2) + densityAt(x + width)) * width) / 6;
    }
    distribution[node + 1] = distribution[node]! + sum;
    distribution[2 * middle - node - 1] = 1 - distribution[node + 1]!;
  }
  return distribution;
}

function densityAt(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}
