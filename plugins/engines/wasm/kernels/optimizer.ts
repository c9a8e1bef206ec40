import type { HeapKernel } from './heap.js';

export const optimizerKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierAdamWStep',
    compute: (inputs, attributes, heap) => {
      const weightDecays = attributes.numbers('weightDecays');
      const [parameters, gradients, means, squares] = inputs.groups(4);
      const before = [parameters!, means!, squares!];
      // New tensors, because the backend caches repacked weights per tensor, which in-place changes would not update.
      const after = before.map((tensors) => tensors.map(({ shape }) => heap.allocate(shape)));
      const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
      const [rate, step] = [attributes.number('learningRate'), attributes.number('step')];
      for (const [index, weightDecay] of weightDecays.entries()) {
        update(
          before.map((tensors) => heap.floats(tensors[index]!)),
          after.map((tensors) => heap.floats(tensors[index]!)),
          heap.floats(gradients![index]!),
          {
            beta1,
            beta2,
            epsilon: attributes.number('epsilon'),
            gradientScale: attributes.number('gradientScale'),
            keep: 1 - rate * weightDecay,
            stepSize: rate / (1 - beta1 ** step),
            deviationScale: 1 / Math.sqrt(1 - beta2 ** step),
          },
        );
      }
      return after.flat();
    },
  },
  {
    name: 'EspalierGlobalNorm',
    compute: (inputs, _attributes, heap) => {
      const norm = heap.allocate([]);
      const total = inputs.all().reduce((sum, tensor) => sum + sumOfSquares(heap.floats(tensor)), 0);
      heap.floats(norm)[0] = Math.sqrt(total);
      return norm;
    },
  },
];

interface Factors {
  beta1: number;
  beta2: number;
  epsilon: number;
  gradientScale: number;
  /** Factor of the weight after decay. */
  keep: number;
  stepSize: number;
  deviationScale: number;
}

function update(
  [parameter, expAvg, expAvgSq]: readonly Float32Array[],
  [newParameter, newExpAvg, newExpAvgSq]: readonly Float32Array[],
  gradient: Float32Array,
  { beta1, beta2, epsilon, gradientScale, keep, stepSize, deviationScale }: Factors,
): void {
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i]! * gradientScale;
    const mean = beta1 * expAvg![i]! + (1 - beta1) * g;
    const square = beta2 * expAvgSq![i]! + (1 - beta2) * g * g;
    newExpAvg![i] = mean;
    newExpAvgSq![i] = square;
    newParameter![i] = keep * parameter![i]! - (stepSize * mean) / (Math.sqrt(square) * deviationScale + epsilon);
  }
}

function sumOfSquares(x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  return sum;
}
