import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Activation, activationIn, constantWeights } from '../../../ops/contract.js';
import type { NativeBackend } from '../backend.js';
import type { NativeKernel } from '../backend.js';
import { multiplyFewRows } from './constant-weights.js';
import { rowsAndColumns } from './sizes.js';

export const linearKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierLinear',
    compute: (inputs, attributes, backend) =>
      multiplyRows(backend, inputs.get('x'), inputs.get('weight'), attributes.flag('transposeWeight'), {
        bias: inputs.optional('bias'),
        residual: inputs.optional('residual'),
      }),
  },
  {
    name: 'EspalierActivationLinear',
    compute: (inputs, attributes, backend) =>
      multiplyRows(backend, inputs.get('x'), inputs.get('weight'), false, {
        activation: activationIn(attributes),
        bias: inputs.optional('bias'),
        residual: inputs.optional('residual'),
      }),
  },
  {
    name: 'EspalierLinearInputGrad',
    compute: (inputs, attributes, backend) =>
      multiplyRows(backend, inputs.get('dy'), inputs.get('weight'), !attributes.flag('transposeWeight')),
  },
  {
    name: 'EspalierActivationLinearInputGrad',
    compute: (inputs, attributes, backend) =>
      multiplyRows(backend, inputs.get('dy'), inputs.get('weight'), true, {
        slope: { of: activationIn(attributes), at: inputs.get('x') },
      }),
  },
  {
    name: 'EspalierLinearWeightGrad',
    compute: (inputs, attributes, backend) => {
      const [x, dy] = [inputs.get('x'), inputs.get('dy')];
      return attributes.flag('transposeWeight') ? multiplyColumns(backend, dy, x) : multiplyColumns(backend, x, dy);
    },
  },
  {
    name: 'EspalierActivationLinearWeightGrad',
    compute: (inputs, attributes, backend) =>
      multiplyColumns(backend, inputs.get('x'), inputs.get('dy'), activationIn(attributes)),
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
];

/** Number of rows up to which a matrix with constant weights is read in one pass. */
const FEW_ROWS = 16;

/** What is computed together with a product of rows. */
interface Extras {
  /** Activation applied to x first. */
  readonly activation?: Activation;
  readonly bias?: TensorInfo | undefined;
  readonly residual?: TensorInfo | undefined;
  /** The result is multiplied by an activation's derivative. */
  readonly slope?: { readonly of: Activation; readonly at: TensorInfo };
}

/** Multiplies x [..., inner] by a matrix [inner, columns] or, transposed, [columns, inner]. */
function multiplyRows(
  backend: NativeBackend,
  x: TensorInfo,
  matrix: TensorInfo,
  transpose: boolean,
  extras: Extras = {},
): TensorInfo {
  const { activation, bias, residual, slope } = extras;
  const [rows, inner] = rowsAndColumns(x.shape);
  const [columns = 0, matrixInner] = inOrder(matrix.shape, !transpose);
  if (inner !== matrixInner) {
    throw new Error(`[${String(x.shape)}] cannot be multiplied by [${String(matrix.shape)}]`);
  }
  const floats = (tensor: TensorInfo | undefined): Float32Array | undefined =>
    tensor === undefined ? undefined : backend.floats(tensor);
  const y = backend.allocate([...x.shape.slice(0, -1), columns]);
  const session = constantWeights();
  if (session !== undefined && rows <= FEW_ROWS && slope === undefined) {
    multiplyFewRows(backend, { session, rows, inner, columns, transpose }, { x, matrix, y, ...extras });
    return y;
  }
  backend.binding.matrixProduct(
    ...([rows, columns, inner, false, transpose, backend.bf16, activation, slope?.of] as const),
    ...([backend.floats(x), backend.floats(matrix)] as const),
    ...([floats(bias), floats(residual), floats(slope?.at), backend.floats(y)] as const),
  );
  return y;
}

/** Returns aᵀ · b for a [..., m] and b [..., n]: the sum over rows of outer products, [m, n]. */
function multiplyColumns(backend: NativeBackend, a: TensorInfo, b: TensorInfo, activationOfA?: Activation): TensorInfo {
  const [rows, m] = rowsAndColumns(a.shape);
  const [, n] = rowsAndColumns(b.shape);
  const gradient = backend.allocate([m, n]);
  backend.binding.matrixProduct(
    ...([m, n, rows, true, false, backend.bf16, activationOfA, undefined] as const),
    ...([backend.floats(a), backend.floats(b)] as const),
    ...([undefined, undefined, undefined, backend.floats(gradient)] as const),
  );
  return gradient;
}

function inOrder(sizes: readonly number[], transposed: boolean): readonly number[] {
  return transposed ? sizes.toReversed() : sizes;
}
