import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../backend.js';
import { rowsAndColumns, sizeOf, type NativeKernel } from './kernel.js';

export const linearKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierLinear',
    compute: (inputs, attributes, backend) => {
      const transpose = attributes.flag('transposeWeight');
      return multiplyRows(inputs.get('x'), inputs.get('weight'), transpose, inputs.optional('bias'), backend);
    },
  },
  {
    name: 'EspalierLinearInputGrad',
    compute: (inputs, attributes, backend) => {
      const transpose = !attributes.flag('transposeWeight');
      return multiplyRows(inputs.get('dy'), inputs.get('weight'), transpose, undefined, backend);
    },
  },
  {
    name: 'EspalierLinearWeightGrad',
    compute: (inputs, attributes, backend) => {
      const [x, dy] = [inputs.get('x'), inputs.get('dy')];
      const [left, right] = attributes.flag('transposeWeight') ? [dy, x] : [x, dy];
      const [rows, m] = rowsAndColumns(left.shape);
      const [, n] = rowsAndColumns(right.shape);
      const gradient = backend.allocate([m, n]);
      const [a, b, y] = [backend.floats(left), backend.floats(right), backend.floats(gradient)];
      backend.binding.matrixProduct(m, n, rows, true, false, a, b, undefined, y, backend.bf16);
      return gradient;
    },
  },
  {
    name: 'EspalierLinearBiasGrad',
    compute: (inputs, _attributes, backend) => {
      const dy = inputs.get('dy');
      const [rows, columns] = rowsAndColumns(dy.shape);
      const gradient = backend.allocate([columns]);
      backend.binding.sumOuter(rows, columns, backend.floats(dy), backend.floats(gradient));
      return gradient;
    },
  },
  {
    name: 'BatchMatMul',
    compute: (inputs, attributes, backend) => {
      const [a, b] = [inputs.get('a'), inputs.get('b')];
      if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
      const [transposeA, transposeB] = [attributes.flag('transposeA'), attributes.flag('transposeB')];
      const [batchA, batchB] = [sizeOf(a.shape.slice(0, -2)), sizeOf(b.shape.slice(0, -2))];
      if (batchA !== batchB || a.rank !== b.rank) return undefined;
      const [m = 0, k = 0] = inOrder(a.shape.slice(-2), transposeA);
      const [inner, n = 0] = inOrder(b.shape.slice(-2), transposeB);
      if (inner !== k) return undefined;
      const y = backend.allocate([...a.shape.slice(0, -2), m, n]);
      const arrays = [backend.floats(a), backend.floats(b), backend.floats(y)] as const;
      for (let batch = 0; batch < batchA; batch++) {
        const [left, right, to] = [
          arrays[0].subarray(batch * m * k, (batch + 1) * m * k),
          arrays[1].subarray(batch * k * n, (batch + 1) * k * n),
          arrays[2].subarray(batch * m * n, (batch + 1) * m * n),
        ];
        backend.binding.matrixProduct(m, n, k, transposeA, transposeB, left, right, undefined, to, backend.bf16);
      }
      return y;
    },
  },
];

/** x [..., inner] times a matrix [inner, columns], or, transposed, [columns, inner]. */
function multiplyRows(
  x: TensorInfo,
  matrix: TensorInfo,
  transpose: boolean,
  bias: TensorInfo | undefined,
  backend: NativeBackend,
): TensorInfo {
  const [rows, inner] = rowsAndColumns(x.shape);
  const [columns = 0, matrixInner] = inOrder(matrix.shape, !transpose);
  if (inner !== matrixInner) {
    throw new Error(`[${String(x.shape)}] cannot be multiplied by [${String(matrix.shape)}]`);
  }
  const y = backend.allocate([...x.shape.slice(0, -1), columns]);
  backend.binding.matrixProduct(
    ...[rows, columns, inner],
    ...[false, transpose],
    ...[backend.floats(x), backend.floats(matrix)],
    bias === undefined ? undefined : backend.floats(bias),
    backend.floats(y),
    backend.bf16,
  );
  return y;
}

function inOrder(sizes: readonly number[], transposed: boolean): readonly number[] {
  return transposed ? sizes.toReversed() : sizes;
}
