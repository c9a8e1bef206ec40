import type { HeapKernel } from './heap.js';

export const geluKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierGelu',
    compute: (inputs, _attributes, heap) => {
      const x = inputs.get('x');
      const y = heap.allocate(x.shape);
      forward(heap.floats(x), heap.floats(y));
      return y;
    },
  },
  {
    name: 'EspalierGeluGrad',
    compute: (inputs, _attributes, heap) => {
      const [dy, x] = [inputs.get('dy'), inputs.get('x')];
      const dx = heap.allocate(x.shape);
      backward(heap.floats(dy), heap.floats(x), heap.floats(dx));
      return dx;
    },
  },
];

/** Beyond ± LIMIT, the GELU is x or 0 to float32. */
const LIMIT = 6;
const STEPS_PER_UNIT = 64;
const STEP = 1 / STEPS_PER_UNIT;
const TERMS = 4;
const NODES = 2 * LIMIT * STEPS_PER_UNIT + 1;
const { values, slopes } = tabulate();

function forward(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value > -LIMIT && value < LIMIT) y[i] = near(values, value);
    else y[i] = value >= LIMIT ? value : value <= -LIMIT ? 0 : NaN;
  }
}

function backward(dy: Float32Array, x: Float32Array, dx: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value > -LIMIT && value < LIMIT) dx[i] = dy[i]! * near(slopes, value);
    else dx[i] = value >= LIMIT ? dy[i]! : value <= -LIMIT ? 0 : NaN;
  }
}

/** Taylor to third order around the nearest node: error below 1e-9. */
function near(table: Float64Array, x: number): number {
  const node = ((x + LIMIT) * STEPS_PER_UNIT + 0.5) | 0;
  const beyond = x + LIMIT - node * STEP;
  const at = node * TERMS;
  return table[at]! + beyond * (table[at + 1]! + beyond * (table[at + 2]! + beyond * table[at + 3]!));
}

/** Taylor coefficients of x Φ(x), and of its slope, at every node; φ' = -x φ. */
function tabulate(): Record<'values' | 'slopes', Float64Array> {
  const values = new Float64Array(NODES * TERMS);
  const slopes = new Float64Array(NODES * TERMS);
  for (const [node, distribution] of integrate().entries()) {
    const x = node * STEP - LIMIT;
    const density = densityAt(x);
    const slope = distribution + x * density;
    const [second, third] = [density * (2 - x * x), density * x * (x * x - 4)];
    const fourth = density * (x * x * (7 - x * x) - 4);
    values.set([x * distribution, slope, second / 2, third / 6], node * TERMS);
    slopes.set([slope, second, third / 2, fourth / 6], node * TERMS);
  }
  return { values, slopes };
}

/** Φ at every node, by Simpson's rule over eight parts of each step, from the middle outwards. */
function integrate(): Float64Array {
  const [middle, parts] = [LIMIT * STEPS_PER_UNIT, 8];
  const distribution = new Float64Array(NODES);
  distribution[middle] = 0.5;
  for (let node = middle; node < NODES - 1; node++) {
    let sum = 0;
    for (let part = 0; part < parts; part++) {
      const x = (node + part / parts) * STEP - LIMIT;
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
