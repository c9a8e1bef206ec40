import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizes, type Heap, type HeapKernel } from './heap.js';

/**
 * Products with explicit transposes: the backend's own transposed products are ten to twenty times slower (without
 * XNNPACK).
 */
export const linearKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierLinear',
    compute: (inputs, attributes, heap) => {
      const [x, weight, bias] = [inputs.get('x'), inputs.get('weight'), inputs.optional('bias')];
      const y = productWith(x, weight, attributes.flag('transposeWeight'), heap);
      // A residual has the size of the product, so it is added like a bias of one long row.
      for (const added of [bias, inputs.optional('residual')]) {
        if (added !== undefined) addToRows(heap.floats(y), heap.floats(added));
      }
      return y;
    },
  },
  {
    name: 'EspalierLinearInputGrad',
    compute: (inputs, attributes, heap) =>
      productWith(inputs.get('dy'), inputs.get('weight'), !attributes.flag('transposeWeight'), heap),
  },
  {
    name: 'EspalierLinearWeightGrad',
    compute: (inputs, attributes, heap) => {
      const [x, dy] = [asMatrix(inputs.get('x')), asMatrix(inputs.get('dy'))];
      return attributes.flag('transposeWeight') ? innerProduct(dy, x, heap) : innerProduct(x, dy, heap);
    },
  },
  {
    name: 'EspalierLinearBiasGrad',
    compute: (inputs, _attributes, heap) => {
      const dy = inputs.get('dy');
      const [, columns] = sizes(dy.shape);
      const gradient = heap.allocate([columns]);
      sumRows(heap.floats(dy), heap.floats(gradient));
      return gradient;
    },
  },
];

/** Multiplies `x` [..., in] by a matrix or its transpose → [..., out]. */
function productWith(x: TensorInfo, matrix: TensorInfo, transposed: boolean, heap: Heap): TensorInfo {
  const right = transposed ? heap.transpose(matrix) : matrix;
  const y = heap.product(asMatrix(x), right);
  if (transposed) heap.free(right);
  return { ...y, shape: [...x.shape.slice(0, -1), sizes(y.shape)[1]] };
}

/**
 * Computes aᵀ · b of [rows, m] and [rows, n] → [m, n]. One thread packs the right operand, so it should be the narrower
 * one.
 */
function innerProduct(a: TensorInfo, b: TensorInfo, heap: Heap): TensorInfo {
  const aIsWider = sizes(a.shape)[1] >= sizes(b.shape)[1];
  const left = heap.transpose(aIsWider ? a : b);
  const product = heap.product(left, aIsWider ? b : a);
  heap.free(left);
  if (aIsWider) return product;
  const turned = heap.transpose(product);
  heap.free(product);
  return turned;
}

function asMatrix(x: TensorInfo): TensorInfo {
  return { dataId: x.dataId, dtype: x.dtype, shape: sizes(x.shape) };
}

function addToRows(y: Float32Array, row: Float32Array): void {
  for (let start = 0; start < y.length; start += row.length) {
    for (let i = 0; i < row.length; i++) y[start + i]! += row[i]!;
  }
}

function sumRows(x: Float32Array, sum: Float32Array): void {
  const totals = new Float64Array(sum.length);
  for (let start = 0; start < x.length; start += sum.length) {
    for (let i = 0; i < sum.length; i++) totals[i]! += x[start + i]!;
  }
  sum.set(totals);
}
