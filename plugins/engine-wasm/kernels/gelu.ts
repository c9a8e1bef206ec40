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

/** The normal distribution and density are read from tables within ± LIMIT; beyond, they are 0 or 1 to float32. */
const LIMIT = 6;
const STEPS_PER_UNIT = 256;
const STEP = 1 / STEPS_PER_UNIT;
const density = tabulate((x) => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI));
const distribution = integrate();

function forward(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value > -LIMIT && value < LIMIT) {
      const index = ((value + LIMIT) * STEPS_PER_UNIT + 0.5) | 0;
      const beyond = value + LIMIT - index * STEP;
      y[i] = value * distributionNear(index, value - beyond, beyond);
    } else {
      y[i] = value >= LIMIT ? value : value <= -LIMIT ? 0 : NaN;
    }
  }
}

function backward(dy: Float32Array, x: Float32Array, dx: Float32Array): void {
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (value > -LIMIT && value < LIMIT) {
      const index = ((value + LIMIT) * STEPS_PER_UNIT + 0.5) | 0;
      const beyond = value + LIMIT - index * STEP;
      const at = value - beyond;
      // The density to second order: φ' = -x φ, φ'' = (x² - 1) φ.
      const densityHere = density[index]! * (1 - beyond * (at - 0.5 * beyond * (at * at - 1)));
      dx[i] = dy[i]! * (distributionNear(index, at, beyond) + value * densityHere);
    } else {
      dx[i] = value >= LIMIT ? dy[i]! : value <= -LIMIT ? 0 : NaN;
    }
  }
}

/** Taylor to third order around the nearest entry `at`: error below 1e-11. */
function distributionNear(index: number, at: number, beyond: number): number {
  const slope = density[index]!;
  return distribution[index]! + beyond * slope * (1 - beyond * (0.5 * at - (beyond * (at * at - 1)) / 6));
}

function tabulate(f: (x: number) => number): Float64Array {
  return Float64Array.from({ length: 2 * LIMIT * STEPS_PER_UNIT + 1 }, (_, index) => f(index * STEP - LIMIT));
}

/** The distribution, from the density by Simpson's rule between entries, from the middle outwards. */
function integrate(): Float64Array {
  const table = new Float64Array(density.length);
  const middle = LIMIT * STEPS_PER_UNIT;
  const midpoints = tabulate((x) => Math.exp(-0.5 * (x + STEP / 2) ** 2) / Math.sqrt(2 * Math.PI));
  table[middle] = 0.5;
  for (let i = middle; i < table.length - 1; i++) {
    const area = ((density[i]! + 4 * midpoints[i]! + density[i + 1]!) * STEP) / 6;
    table[i + 1] = table[i]! + area;
    table[2 * middle - i - 1] = 1 - table[i + 1]!;
  }
  return table;
}
