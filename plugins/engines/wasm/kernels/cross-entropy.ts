import { sizes, type HeapKernel } from './heap.js';

export const crossEntropyKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierSoftmaxCrossEntropy',
    compute: (inputs, _attributes, heap) => {
      const [logits, targets] = [inputs.get('logits'), inputs.get('targets')];
      const [rows, classes] = sizes(logits.shape);
      const [loss, logSum] = [heap.allocate([]), heap.allocate([rows])];
      const mean = forward(heap.floats(logits), heap.integers(targets), heap.floats(logSum), classes);
      heap.floats(loss)[0] = mean;
      return [loss, logSum];
    },
  },
  {
    name: 'EspalierSoftmaxCrossEntropyGrad',
    compute: (inputs, _attributes, heap) => {
      const [logits, targets, logSum] = [inputs.get('logits'), inputs.get('targets'), inputs.get('logSum')];
      const [, classes] = sizes(logits.shape);
      const gradient = heap.allocate(logits.shape);
      const dy = heap.floats(inputs.get('dy'))[0]!;
      const ids = heap.integers(targets);
      backward(heap.floats(logits), ids, heap.floats(logSum), heap.floats(gradient), dy / countOf(ids), classes);
      return gradient;
    },
  },
];

function forward(logits: Float32Array, targets: Int32Array, logSum: Float32Array, classes: number): number {
  let total = 0;
  for (let row = 0; row < targets.length; row++) {
    const start = row * classes;
    let largest = -Infinity;
    for (let i = 0; i < classes; i++) largest = Math.max(largest, logits[start + i]!);
    let sum = 0;
    for (let i = 0; i < classes; i++) sum += Math.exp(logits[start + i]! - largest);
    const here = largest + Math.log(sum);
    logSum[row] = here;
    const target = targets[row]!;
    if (target >= 0) total += here - logits[start + target]!;
  }
  return total / countOf(targets);
}

function backward(
  logits: Float32Array,
  targets: Int32Array,
  logSum: Float32Array,
  gradient: Float32Array,
  share: number,
  classes: number,
): void {
  for (let row = 0; row < targets.length; row++) {
    const start = row * classes;
    const target = targets[row]!;
    if (target < 0) {
      gradient.fill(0, start, start + classes);
      continue;
    }
    const here = logSum[row]!;
    for (let i = 0; i < classes; i++) gradient[start + i] = Math.exp(logits[start + i]! - here) * share;
    gradient[start + target]! -= share;
  }
}

function countOf(targets: Int32Array): number {
  let count = 0;
  for (const target of targets) if (target >= 0) count++;
  return Math.max(count, 1);
}
