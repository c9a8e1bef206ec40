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
  {
    name: 'EspalierTokenCrossEntropy',
    compute: (inputs, _attributes, heap) => {
      const [logits, targets] = [inputs.get('logits'), inputs.get('targets')];
      const [, classes] = sizes(logits.shape);
      const [losses, logSum] = [heap.allocate(targets.shape), heap.allocate(targets.shape)];
      const [rows, ids] = [heap.floats(logits), heap.integers(targets)];
      const [loss, sums] = [heap.floats(losses), heap.floats(logSum)];
      for (let row = 0; row < ids.length; row++) {
        const here = (sums[row] = logSumOf(rows, row * classes, classes));
        loss[row] = ids[row]! < 0 ? 0 : here - rows[row * classes + ids[row]!]!;
      }
      return [losses, logSum];
    },
  },
  {
    name: 'EspalierTokenCrossEntropyGrad',
    compute: (inputs, _attributes, heap) => {
      const [logits, targets, logSum] = [inputs.get('logits'), inputs.get('targets'), inputs.get('logSum')];
      const [, classes] = sizes(logits.shape);
      const gradient = heap.allocate(logits.shape);
      const [dLosses, dLogSum] = [heap.floats(inputs.get('dLosses')), heap.floats(inputs.get('dLogSum'))];
      const [rows, ids, sums, to] = [
        heap.floats(logits),
        heap.integers(targets),
        heap.floats(logSum),
        heap.floats(gradient),
      ];
      for (let row = 0; row < ids.length; row++) {
        const ofTarget = ids[row]! < 0 ? 0 : dLosses[row]!;
        rowGradient(
          rows,
          to,
          { row, classes, target: ids[row]!, logSum: sums[row]! },
          ofTarget + dLogSum[row]!,
          ofTarget,
        );
      }
      return gradient;
    },
  },
];

function forward(logits: Float32Array, targets: Int32Array, logSum: Float32Array, classes: number): number {
  let total = 0;
  for (let row = 0; row < targets.length; row++) {
    const here = logSumOf(logits, row * classes, classes);
    logSum[row] = here;
    const target = targets[row]!;
    if (target >= 0) total += here - logits[row * classes + target]!;
  }
  return total / countOf(targets);
}

function logSumOf(logits: Float32Array, start: number, classes: number): number {
  let largest = -Infinity;
  for (let i = 0; i < classes; i++) largest = Math.max(largest, logits[start + i]!);
  let sum = 0;
  for (let i = 0; i < classes; i++) sum += Math.exp(logits[start + i]! - largest);
  return largest + Math.log(sum);
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
    const target = targets[row]!;
    const ofRow = target < 0 ? 0 : share;
    rowGradient(logits, gradient, { row, classes, target, logSum: logSum[row]! }, ofRow, ofRow);
  }
}

/** A row of logits, with what its gradient needs. */
interface Row {
  readonly row: number;
  readonly classes: number;
  readonly target: number;
  readonly logSum: number;
}

/** Computes the softmax of a row times `share`, minus `ofTarget` at its target. */
function rowGradient(
  logits: Float32Array,
  gradient: Float32Array,
  { row, classes, target, logSum }: Row,
  share: number,
  ofTarget: number,
): void {
  const start = row * classes;
  if (share === 0 && ofTarget === 0) {
    gradient.fill(0, start, start + classes);
    return;
  }
  for (let i = 0; i < classes; i++) gradient[start + i] = Math.exp(logits[start + i]! - logSum) * share;
  if (target >= 0) gradient[start + target]! -= ofTarget;
}

function countOf(targets: Int32Array): number {
  let count = 0;
  for (const target of targets) if (target >= 0) count++;
  return Math.max(count, 1);
}
