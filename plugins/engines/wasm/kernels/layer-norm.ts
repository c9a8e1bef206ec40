import { sizes, type HeapKernel } from './heap.js';

export const layerNormKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierLayerNorm',
    compute: (inputs, attributes, heap) => {
      const [x, weight, bias] = [inputs.get('x'), inputs.get('weight'), inputs.optional('bias')];
      const y = heap.allocate(x.shape);
      forward(
        heap.floats(x),
        heap.floats(weight),
        bias === undefined ? undefined : heap.floats(bias),
        heap.floats(y),
        attributes.number('epsilon'),
      );
      return y;
    },
  },
  {
    name: 'EspalierLayerNormGrad',
    compute: (inputs, attributes, heap) => {
      const [dy, x, weight] = [inputs.get('dy'), inputs.get('x'), inputs.get('weight')];
      const [, columns] = sizes(x.shape);
      const outputs = [heap.allocate(x.shape), heap.allocate([columns]), heap.allocate([columns])] as const;
      const [dx, dWeight, dBias] = [heap.floats(outputs[0]), heap.floats(outputs[1]), heap.floats(outputs[2])];
      backward(
        { dy: heap.floats(dy), x: heap.floats(x), weight: heap.floats(weight) },
        { dx, dWeight, dBias },
        attributes.number('epsilon'),
      );
      return [...outputs];
    },
  },
];

function forward(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | undefined,
  y: Float32Array,
  epsilon: number,
): void {
  const width = weight.length;
  for (let start = 0; start < x.length; start += width) {
    const mean = meanOf(x, start, width);
    const inverse = inverseDeviation(x, start, width, mean, epsilon);
    if (bias === undefined) {
      for (let i = 0; i < width; i++) y[start + i] = (x[start + i]! - mean) * inverse * weight[i]!;
    } else {
      for (let i = 0; i < width; i++) y[start + i] = (x[start + i]! - mean) * inverse * weight[i]! + bias[i]!;
    }
  }
}

function backward(
  { dy, x, weight }: Record<'dy' | 'x' | 'weight', Float32Array>,
  { dx, dWeight, dBias }: Record<'dx' | 'dWeight' | 'dBias', Float32Array>,
  epsilon: number,
): void {
  const width = weight.length;
  const weightSums = new Float64Array(width);
  const biasSums = new Float64Array(width);
  for (let start = 0; start < x.length; start += width) {
    const mean = meanOf(x, start, width);
    const inverse = inverseDeviation(x, start, width, mean, epsilon);
    let sum = 0;
    let along = 0;
    for (let i = 0; i < width; i++) {
      const gradient = dy[start + i]!;
      const normalized = (x[start + i]! - mean) * inverse;
      const scaled = gradient * weight[i]!;
      sum += scaled;
      along += scaled * normalized;
      weightSums[i]! += gradient * normalized;
      biasSums[i]! += gradient;
    }
    sum /= width;
    along /= width;
    for (let i = 0; i < width; i++) {
      const normalized = (x[start + i]! - mean) * inverse;
      dx[start + i] = (dy[start + i]! * weight[i]! - sum - normalized * along) * inverse;
    }
  }
  dWeight.set(weightSums);
  dBias.set(biasSums);
}

function meanOf(x: Float32Array, start: number, width: number): number {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += x[i]!;
  return sum / width;
}

function inverseDeviation(x: Float32Array, start: number, width: number, mean: number, epsilon: number): number {
  let sum = 0;
  for (let i = start; i < start + width; i++) {
    const centred = x[i]! - mean;
    sum += centred * centred;
  }
  return 1 / Math.sqrt(sum / width + epsilon);
}
