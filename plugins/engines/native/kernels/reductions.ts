import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { Attributes } from '../../../ops/contract.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import type { NumberType } from '../numbers.js';
import { arrayOf, isNumberType } from './arrays.js';
import { deferredRows } from './later.js';
import { rowsAndColumns, sizeOf } from './sizes.js';

/** The addon's codes of reductions. For booleans, "all" is the minimum and "any" the maximum. */
const kinds = { Sum: 0, Mean: 0, Prod: 1, Max: 2, Any: 2, Min: 3, All: 3, ArgMax: 4, ArgMin: 5 } as const;

type Kind = keyof typeof kinds;

/** Row operations of chains that compute the same along the last axis. */
const ROW_STEPS: Readonly<Partial<Record<Kind, string>>> = { Sum: 'sumOfRow', Mean: 'sumOfRow', Max: 'largestOfRow' };

/** Kernels that reduce along axes. The cpu backend's own kernels report errors. */
export const reductionKernels: readonly NativeKernel[] = [
  reduction('Sum', (dtype) => (dtype === 'float32' ? dtype : 'int32')),
  reduction('Mean', () => 'float32'),
  reduction('Prod', (dtype) => (dtype === 'float32' ? dtype : 'int32')),
  reduction('Max', (dtype) => dtype, 'reductionIndices'),
  reduction('Min', (dtype) => dtype),
  reduction('All', (dtype) => (dtype === 'bool' ? dtype : undefined)),
  reduction('Any', (dtype) => (dtype === 'bool' ? dtype : undefined)),
  indexOfExtreme('ArgMax'),
  indexOfExtreme('ArgMin'),
  {
    name: 'Softmax',
    defer: (inputs, attributes, backend) => {
      const [x, axis] = [inputs.get('logits'), attributes.number('dim')];
      if (axis !== -1 && axis !== x.rank - 1) return undefined;
      const columns = x.shape.at(-1) ?? 1;
      return deferredRows(backend, { kernel: 'Softmax', step: 'softmaxOfRow', of: [x], shape: x.shape, columns });
    },
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('logits');
      const axis = attributes.number('dim');
      if (x.dtype !== 'float32' || x.size === 0 || (axis !== -1 && axis !== x.rank - 1)) return undefined;
      const y = backend.allocate(x.shape);
      backend.binding.softmax(...rowsAndColumns(x.shape), backend.floats(x), backend.floats(y));
      return y;
    },
  },
  running('Cumsum'),
  running('Cumprod'),
];

function reduction(
  name: Kind,
  typeOf: (dtype: NumberType) => NumberType | undefined,
  attribute = 'axis',
): NativeKernel {
  const resultOf = (x: Tensor, axes: number[], attributes: Attributes): { shape: number[]; scale: number } => {
    const [kept, reduced] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
    const shape = attributes.flag('keepDims') ? tf.backend_util.expandShapeToKeepDim(kept, axes) : kept;
    return { shape, scale: name === 'Mean' ? 1 / sizeOf(reduced) : 1 };
  };
  return {
    name,
    defer: (inputs, attributes, backend) => {
      const [x, step] = [inputs.get('x'), ROW_STEPS[name]];
      const axes = step === undefined ? undefined : axesOf(x, attributes, attribute);
      if (step === undefined || axes?.length !== 1 || axes[0] !== x.rank - 1) return undefined;
      const { shape, scale } = resultOf(x, axes, attributes);
      return deferredRows(backend, { kernel: name, step, of: [x], shape, columns: 1, number: scale });
    },
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const axes = axesOf(x, attributes, attribute);
      const dtype = isNumberType(x.dtype) ? typeOf(x.dtype) : undefined;
      if (axes === undefined || dtype === undefined) return undefined;
      const { shape, scale } = resultOf(x, axes, attributes);
      return reduce(backend, { name, x, dtype, shape, scale, sizes: stepsOver(x, axes) });
    },
  };
}

function indexOfExtreme(name: 'ArgMax' | 'ArgMin'): NativeKernel {
  return {
    name,
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const axis = axesOf(x, attributes, 'axis')?.[0];
      if (axis === undefined) return undefined;
      const shape = x.shape.toSpliced(axis, 1);
      const sizes = [sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))];
      return reduce(backend, { name, x, dtype: 'int32', shape, scale: 1, sizes });
    },
  };
}

interface Reduction {
  readonly name: Kind;
  readonly x: Tensor;
  /** Type of the result. */
  readonly dtype: NumberType;
  readonly shape: number[];
  readonly scale: number;
  /** For each step: outer size, size of the axis, inner size. */
  readonly sizes: readonly number[];
}

function reduce(backend: NativeBackend, { name, x, dtype, shape, scale, sizes }: Reduction): TensorInfo | undefined {
  const from = arrayOf(backend, x);
  if (from === undefined || sizes.some((size) => size >= 2 ** 31)) return undefined;
  const y = backend.allocate(shape, dtype);
  const steps = Int32Array.from(sizes);
  backend.binding.reduce(kinds[name], sizes.length / 3, steps, scale, from, backend.array(y));
  return y;
}

/**
 * Returns the axes to reduce: all if none are given, none for an empty list; undefined if there is nothing to reduce.
 */
function axesOf(x: Tensor, attributes: Attributes, name: string): number[] | undefined {
  if (x.size === 0) return undefined;
  const isGiven = attributes.isList(name) || attributes.isNumber(name);
  return tf.util.parseAxisParam(isGiven ? attributes.numbers(name) : x.shape.map((_, axis) => axis), x.shape);
}

/** Merges neighbouring axes and reduces the last ones first. */
function stepsOver({ shape }: Tensor, axes: readonly number[]): number[] {
  const groups: { size: number; readonly isReduced: boolean }[] = [];
  for (const [axis, size] of shape.entries()) {
    const isReduced = axes.includes(axis);
    const last = groups.at(-1);
    if (last?.isReduced === isReduced) last.size *= size;
    else if (size > 1) groups.push({ size, isReduced });
  }
  const steps: number[] = [];
  let inner = 1;
  for (const [index, { size, isReduced }] of groups.toReversed().entries()) {
    const outer = groups.slice(0, groups.length - 1 - index).reduce((product, group) => product * group.size, 1);
    if (isReduced) steps.push(outer, size, inner);
    else inner *= size;
  }
  return steps.length === 0 ? [inner, 1, 1] : steps;
}

function running(name: 'Cumsum' | 'Cumprod'): NativeKernel {
  return {
    name,
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const { dtype } = x;
      const from = arrayOf(backend, x);
      if (from === undefined || x.rank === 0 || (dtype !== 'float32' && dtype !== 'int32')) return undefined;
      const axis = tf.util.parseAxisParam(attributes.number('axis'), x.shape)[0]!;
      const y = backend.allocate(x.shape, dtype);
      backend.binding.running(
        ...([name === 'Cumprod', attributes.flag('exclusive'), attributes.flag('reverse')] as const),
        ...([sizeOf(x.shape.slice(0, axis)), x.shape[axis]!, sizeOf(x.shape.slice(axis + 1))] as const),
        ...([from, backend.array(y)] as const),
      );
      return y;
    },
  };
}
