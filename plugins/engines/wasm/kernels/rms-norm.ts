import { sizes, type HeapKernel } from './heap.js';

export const rmsNormKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierRmsNorm',
    compute: (inputs, attributes, heap) => {
      const [x, weight] = [inputs.get('x'), inputs.get('weight')];
      const y = heap.allocate(x.shape);
      forward(heap.floats(x), heap.floats(weight), heap.floats(y), attributes.number('epsilon'));
      return y;
    },
  },
  {
    name: 'EspalierRmsNormGrad',
    compute: (inputs, attributes, heap) => {
      const [dy, x, weight] = [inputs.get('dy'), inputs.get('x'), inputs.get('weight')];
      const [, columns] = sizes(x.shape);
      const [dx, dWeight] = [heap.allocate(x.shape), heap.allocate([columns])];
      backward(
        { dy: heap.floats(dy), x: heap.floats(x), weight: heap.floats(weight) },
        { dx: heap.floats(dx), dWeight: heap.floats(dWeight) },
        attributes.number('epsilon'),
      );
      return [dx, dWeight];
    },
  },
];

function forward(x: Float32Array, weight: Float32Array, y: Float32Array, epsilon: number): void {
  for (let start = 0; start < x.length; start += weight.length) normRow(x, start, weight, y, epsilon);
}

function backward(
  given: Record<'dy' | 'x' | 'weight', Float32Array>,
  { dx, dWeight }: Record<'dx' | 'dWeight', Float32Array>,
  epsilon: number,
): void {
  const width = given.weight.length;
  const sums = new Float64Array(width);
  for (let start = 0; start < dx.length; start += width) normRowGradient(given, start, dx, sums, epsilon);
  dWeight.set(sums);
}

/** Normalizes the row of x that starts at `start`, as wide as `weight`. */
export function normRow(x: Float32Array, start: number, weight: Float32Array, y: Float32Array, epsilon: number): void {
  const width = weight.length;
  const inverse = inverseRms(x, start, width, epsilon);
  for (let i = 0; i < width; i++) y[start + i] = x[start + i]! * inverse * weight[i]!;
}

/** @param sums the row's contribution to the weight's gradient is added to them */
export function normRowGradient(
  { dy, x, weight }: Record<'dy' | 'x' | 'weight', Float32Array>,
  start: number,
  dx: Float32Array,
  sums: Float64Array,
  epsilon: number,
): void {
  const width = weight.length;
  const inverse = inverseRms(x, start, width, epsilon);
  let along = 0;
  for (let i = 0; i < width; i++) {
    const alongHere = dy[start + i]! * x[start + i]! * inverse;
    sums[i]! += alongHere;
    along += alongHere * weight[i]!;
  }
  along /= width;
  for (let i = 0; i < width; i++) {
    dx[start + i] = (dy[start + i]! * weight[i]! - x[start + i]! * inverse * along) * inverse;
  }
}

/** Returns 1 / root mean square. */
function inverseRms(x: Float32Array, start: number, width: number, epsilon: number): number {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += x[i]! * x[i]!;
  return 1 / Math.sqrt(sum / width + epsilon);
}
