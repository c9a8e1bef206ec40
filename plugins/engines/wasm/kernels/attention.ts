import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  type Attributes,
  dropoutFactors,
  headSizes,
  type HeadSizes,
  type KernelInputs,
} from '../../../ops/contract.js';
import { copyRows, type Heap, type HeapKernel } from './heap.js';

/**
 * Attention head by head: each product uses the backend's fast path, which takes only two-dimensional matrices; softmax
 * and its gradient touch only the headDim up to the diagonal.
 */
export const attentionKernels: readonly HeapKernel[] = [
  { name: 'EspalierCausalAttention', compute: forward },
  { name: 'EspalierDocumentAttention', compute: forward },
  { name: 'EspalierCausalAttentionGrad', compute: backward },
];

interface Sizes extends HeadSizes {
  batch: number;
  time: number;
  /** Total width of the queries, and of a row of qkv. */
  width: number;
  row: number;
  /** Query heads per key and value head. */
  group: number;
  scale: number;
}

function forward(inputs: KernelInputs, attributes: Attributes, heap: Heap): TensorInfo[] {
  const qkv = inputs.get('qkv');
  const firstKeys = firstKeysOf(inputs, heap);
  const sizes = sizesOf(qkv, attributes);
  const { batch, heads, keyValueHeads, time, width, headDim, group, scale } = sizes;
  const y = heap.allocate([batch, time, width]);
  const logSum = heap.allocate([batch, heads, time]);
  const factors = factorsOf(sizes, attributes);
  for (let shared = 0; shared < batch * keyValueHeads; shared++) {
    const k = gatherTransposed(qkv, keysAt(sizes, shared), sizes, heap);
    const v = gather(qkv, valuesAt(sizes, shared), sizes, heap);
    const seen = firstKeys(Math.floor(shared / keyValueHeads));
    for (let head = shared * group; head < (shared + 1) * group; head++) {
      const q = gather(qkv, queriesAt(sizes, head), sizes, heap);
      const weights = heap.product(q, k);
      softmaxRows(heap.floats(weights), heap.floats(logSum).subarray(head * time, (head + 1) * time), scale, seen);
      if (factors !== undefined) multiply(heap.floats(weights), factors, head * time * time);
      const attended = heap.product(weights, v);
      const { offset, stride } = outputAt(sizes, head);
      copyRows(heap.floats(attended), headDim, heap.floats(y).subarray(offset), stride, {
        rows: time,
        length: headDim,
      });
      for (const tensor of [q, weights, attended]) heap.free(tensor);
    }
    for (const tensor of [k, v]) heap.free(tensor);
  }
  return [y, logSum];
}

function backward(inputs: KernelInputs, attributes: Attributes, heap: Heap): TensorInfo {
  const [dy, qkv, logSum] = [inputs.get('dy'), inputs.get('qkv'), inputs.get('logSum')];
  const firstKeys = firstKeysOf(inputs, heap);
  const sizes = sizesOf(qkv, attributes);
  const { batch, keyValueHeads, time, headDim, group, scale } = sizes;
  const gradient = heap.allocate(qkv.shape);
  const factors = factorsOf(sizes, attributes);
  const write = (tensor: TensorInfo, { offset, stride }: Place): void => {
    copyRows(heap.floats(tensor), headDim, heap.floats(gradient).subarray(offset), stride, {
      rows: time,
      length: headDim,
    });
  };
  for (let shared = 0; shared < batch * keyValueHeads; shared++) {
    const k = gather(qkv, keysAt(sizes, shared), sizes, heap);
    const kTransposed = gatherTransposed(qkv, keysAt(sizes, shared), sizes, heap);
    const vTransposed = gatherTransposed(qkv, valuesAt(sizes, shared), sizes, heap);
    const sums: TensorInfo[] = [];
    for (let head = shared * group; head < (shared + 1) * group; head++) {
      const q = gather(qkv, queriesAt(sizes, head), sizes, heap);
      const dyHere = gather(dy, outputAt(sizes, head), sizes, heap);
      const scores = heap.product(q, kTransposed);
      const dScores = heap.product(dyHere, vTransposed);
      const weightsTransposed = heap.allocate([time, time]);
      const dScoresTransposed = heap.allocate([time, time]);
      softmaxGradient(
        { scores: heap.floats(scores), dScores: heap.floats(dScores) },
        { weights: heap.floats(weightsTransposed), dScores: heap.floats(dScoresTransposed) },
        heap.floats(logSum).subarray(head * time, (head + 1) * time),
        scale,
        firstKeys(Math.floor(shared / keyValueHeads)),
        factors?.subarray(head * time * time, (head + 1) * time * time),
      );
      const dq = heap.product(dScores, k);
      write(dq, queriesAt(sizes, head));
      const both = [heap.product(dScoresTransposed, q), heap.product(weightsTransposed, dyHere)];
      if (sums.length === 0) sums.push(...both);
      else {
        for (const [index, tensor] of both.entries()) {
          add(heap.floats(sums[index]!), heap.floats(tensor));
          heap.free(tensor);
        }
      }
      for (const tensor of [q, dyHere, scores, dScores, weightsTransposed, dScoresTransposed, dq]) heap.free(tensor);
    }
    for (const [index, place] of [keysAt(sizes, shared), valuesAt(sizes, shared)].entries()) write(sums[index]!, place);
    for (const tensor of [k, kTransposed, vTransposed, ...sums]) heap.free(tensor);
  }
  return gradient;
}

/** Computes softmax(scale · scores) over each row's visible keys, in place; the others become 0. */
function softmaxRows(scores: Float32Array, logSum: Float32Array, scale: number, firstKeys: FirstKeys): void {
  const time = logSum.length;
  for (let row = 0; row < time; row++) {
    const start = row * time;
    const [first, last] = [start + (firstKeys?.[row] ?? 0), start + row];
    let largest = -Infinity;
    for (let i = first; i <= last; i++) largest = Math.max(largest, scores[i]!);
    let sum = 0;
    for (let i = first; i <= last; i++) {
      const share = Math.exp((scores[i]! - largest) * scale);
      scores[i] = share;
      sum += share;
    }
    for (let i = first; i <= last; i++) scores[i]! /= sum;
    scores.fill(0, start, first);
    scores.fill(0, last + 1, start + time);
    logSum[row] = largest * scale + Math.log(sum);
  }
}

/**
 * Computes the gradient of the scores from that of the weights (in `dScores`), in place and transposed, and the
 * transposed weights after dropout.
 */
function softmaxGradient(
  { scores, dScores }: Record<'scores' | 'dScores', Float32Array>,
  transposed: Record<'weights' | 'dScores', Float32Array>,
  logSum: Float32Array,
  scale: number,
  firstKeys: FirstKeys,
  factors: Float32Array | undefined,
): void {
  const time = logSum.length;
  transposed.weights.fill(0);
  transposed.dScores.fill(0);
  for (let row = 0; row < time; row++) {
    const start = row * time;
    const [here, first] = [logSum[row]!, firstKeys?.[row] ?? 0];
    let sum = 0;
    for (let column = first; column <= row; column++) {
      const i = start + column;
      const weight = Math.exp(scores[i]! * scale - here);
      const factor = factors === undefined ? 1 : factors[i]!;
      scores[i] = weight;
      transposed.weights[column * time + row] = weight * factor;
      const gradient = dScores[i]! * factor;
      dScores[i] = gradient;
      sum += gradient * weight;
    }
    for (let column = first; column <= row; column++) {
      const i = start + column;
      const gradient = scores[i]! * (dScores[i]! - sum) * scale;
      dScores[i] = gradient;
      transposed.dScores[column * time + row] = gradient;
    }
    dScores.fill(0, start, start + first);
    dScores.fill(0, start + row + 1, start + time);
  }
}

/** The first key that each position of a row attends to; undefined: 0. */
type FirstKeys = Int32Array | undefined;

/** Returns those of each row: the start of the run of equal numbers that contains the position. */
function firstKeysOf(inputs: KernelInputs, heap: Heap): (row: number) => FirstKeys {
  const documents = inputs.optional('documents');
  if (documents === undefined) return () => undefined;
  const [, time = 0] = documents.shape;
  const numbers = heap.integers(documents);
  const first = new Int32Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    if (i % time > 0) first[i] = numbers[i] === numbers[i - 1] ? first[i - 1]! : i % time;
  }
  return (row) => first.subarray(row * time, (row + 1) * time);
}

function sizesOf(qkv: TensorInfo, attributes: Attributes): Sizes {
  const [batch = 0, time = 0, row = 0] = qkv.shape;
  const sizes = headSizes(qkv, attributes);
  const { heads, keyValueHeads, headDim } = sizes;
  const [width, group, scale] = [heads * headDim, heads / keyValueHeads, 1 / Math.sqrt(headDim)];
  return { ...sizes, batch, time, width, row, group, scale };
}

function factorsOf({ batch, heads, time }: Sizes, attributes: Attributes): Float32Array | undefined {
  if (attributes.number('rate') === 0) return undefined;
  return dropoutFactors(batch * heads * time * time, attributes);
}

/** Index of a head's first element in a tensor with rows of width `stride`. */
interface Place {
  offset: number;
  stride: number;
}

/** Place of queries in qkv; `head` counts over the batch too. */
function queriesAt({ heads, time, headDim, row }: Sizes, head: number): Place {
  return { offset: Math.floor(head / heads) * time * row + (head % heads) * headDim, stride: row };
}

/** Place of keys in qkv; `shared` counts over the batch too. */
function keysAt({ keyValueHeads, time, width, headDim, row }: Sizes, shared: number): Place {
  const first = Math.floor(shared / keyValueHeads) * time * row;
  return { offset: first + width + (shared % keyValueHeads) * headDim, stride: row };
}

function valuesAt(sizes: Sizes, shared: number): Place {
  const { offset, stride } = keysAt(sizes, shared);
  return { offset: offset + sizes.keyValueHeads * sizes.headDim, stride };
}

/** Place in y and in its gradient. */
function outputAt({ heads, time, width, headDim }: Sizes, head: number): Place {
  return { offset: Math.floor(head / heads) * time * width + (head % heads) * headDim, stride: width };
}

function gather(x: TensorInfo, at: Place, { time, headDim }: Sizes, heap: Heap): TensorInfo {
  const y = heap.allocate([time, headDim]);
  copyRows(heap.floats(x).subarray(at.offset), at.stride, heap.floats(y), headDim, { rows: time, length: headDim });
  return y;
}

function gatherTransposed(x: TensorInfo, at: Place, { time, headDim }: Sizes, heap: Heap): TensorInfo {
  const y = heap.allocate([headDim, time]);
  const [from, to] = [heap.floats(x), heap.floats(y)];
  for (let row = 0; row < time; row++) {
    const start = at.offset + row * at.stride;
    for (let i = 0; i < headDim; i++) to[i * time + row] = from[start + i]!;
  }
  return y;
}

function multiply(x: Float32Array, factors: Float32Array, offset: number): void {
  for (let i = 0; i < x.length; i++) x[i]! *= factors[offset + i]!;
}

function add(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i]! += y[i]!;
}
