import type { DataType, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../../core/index.js';
import type { Attributes, KernelInputs } from '../../../ops/contract.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import { deferred } from './later.js';

/** Returns an operation's parameters from the attributes of a call. */
type Own = (attributes: Attributes) => readonly [p: number, q: number];

interface Form {
  /** The operation on floats; also on booleans, if the result is boolean. */
  readonly floats: string;
  readonly integers?: string;
  /** Default: the type of the operands. */
  readonly result?: 'bool' | 'int32';
  /** True if the operands are boolean. */
  readonly ofTruths?: boolean;
  readonly own?: Own;
}

const UNARY: Readonly<Record<string, string | Form>> = {
  Neg: { floats: 'neg', integers: 'negInts' },
  Abs: { floats: 'abs', integers: 'absInts' },
  Exp: 'exp',
  Expm1: 'expm1',
  Log: 'log',
  Log1p: 'log1p',
  Sqrt: 'sqrt',
  Rsqrt: 'rsqrt',
  Square: 'square',
  Reciprocal: 'reciprocal',
  Relu: 'relu',
  Relu6: 'relu6',
  LeakyRelu: { floats: 'leakyRelu', own: (attributes) => [attributes.number('alpha'), 0] },
  Elu: 'elu',
  Selu: 'selu',
  Softplus: 'softplus',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  Erf: 'erf',
  Sin: 'sin',
  Cos: 'cos',
  Floor: 'floor',
  Ceil: 'ceil',
  Round: 'round',
  Sign: 'sign',
  Step: { floats: 'step', own: (attributes) => [attributes.number('alpha'), 0] },
  ClipByValue: {
    floats: 'clip',
    own: (attributes) => [attributes.number('clipValueMin'), attributes.number('clipValueMax')],
  },
  IsNan: { floats: 'isNan', result: 'bool' },
  IsFinite: { floats: 'isFinite', result: 'bool' },
  IsInf: { floats: 'isInf', result: 'bool' },
  LogicalNot: { floats: 'logicalNot', result: 'bool', ofTruths: true },
};

const BINARY: Readonly<Record<string, string | Form>> = {
  Add: { floats: 'add', integers: 'addInts' },
  Sub: { floats: 'sub', integers: 'subInts' },
  Multiply: { floats: 'mul', integers: 'mulInts' },
  RealDiv: 'div',
  FloorDiv: { floats: 'floorDiv', integers: 'floorDivInts', result: 'int32' },
  Mod: { floats: 'mod', integers: 'modInts' },
  Pow: 'pow',
  Maximum: { floats: 'maximum', integers: 'maximumInts' },
  Minimum: { floats: 'minimum', integers: 'minimumInts' },
  SquaredDifference: 'squaredDifference',
  Equal: { floats: 'equal', integers: 'equalInts', result: 'bool' },
  NotEqual: { floats: 'notEqual', integers: 'notEqualInts', result: 'bool' },
  Less: { floats: 'less', integers: 'lessInts', result: 'bool' },
  LessEqual: { floats: 'lessEqual', integers: 'lessEqualInts', result: 'bool' },
  Greater: { floats: 'greater', integers: 'greaterInts', result: 'bool' },
  GreaterEqual: { floats: 'greaterEqual', integers: 'greaterEqualInts', result: 'bool' },
  LogicalAnd: { floats: 'logicalAnd', result: 'bool', ofTruths: true },
  LogicalOr: { floats: 'logicalOr', result: 'bool', ofTruths: true },
};

/**
 * TensorFlow.js's elementwise operations, by their names in the addon, and operations that only reshape. All of them
 * are deferred.
 */
export const deferredKernels: readonly NativeKernel[] = [
  ...Object.entries(UNARY).map(([name, form]) => kernel(name, form, (inputs) => [inputs.get('x')])),
  ...Object.entries(BINARY).map(([name, form]) => kernel(name, form, (inputs) => [inputs.get('a'), inputs.get('b')])),
  kernel('Prelu', 'prelu', (inputs) => [inputs.get('x'), inputs.get('alpha')]),
  kernel('EluGrad', 'eluGrad', (inputs) => [inputs.get('dy'), inputs.get('y')]),
  {
    name: 'AddN',
    isDeferred: true,
    compute: (inputs, _attributes, backend) => {
      const all = inputs.all();
      const [first, second, ...rest] = all;
      if (first === undefined || second === undefined || all.some(({ dtype }) => dtype !== 'float32')) return undefined;
      return rest.reduce<TensorInfo | undefined>(
        (sum, tensor) => {
          if (sum === undefined) return undefined;
          const next = deferred(backend, 'AddN', 'add', [sum, tensor], first.shape, 'float32');
          backend.disposeData(sum.dataId);
          return next;
        },
        deferred(backend, 'AddN', 'add', [first, second], first.shape, 'float32'),
      );
    },
  },
  {
    name: 'Select',
    isDeferred: true,
    compute: (inputs, _attributes, backend) => {
      const [condition, yes, no] = [inputs.get('condition'), inputs.get('t'), inputs.get('e')];
      const isAlike = yes.dtype === no.dtype && String(yes.shape) === String(no.shape);
      // A condition of another shape selects whole rows.
      if (condition.dtype !== 'bool' || !isAlike || String(condition.shape) !== String(yes.shape)) return undefined;
      if (yes.dtype !== 'float32' && yes.dtype !== 'int32') return undefined;
      return deferred(backend, 'Select', 'select', [condition, yes, no], yes.shape, yes.dtype);
    },
  },
  {
    // To floats: the cpu backend's own kernel would keep integers in a tensor declared as float.
    name: 'Cast',
    isDeferred: true,
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const to = attributes.text('dtype');
      if (x.dtype === to) return view(x, x.shape, backend);
      if (to !== 'float32' && to !== 'int32' && to !== 'bool') return undefined;
      const operation = CASTS[x.dtype]?.[to];
      return operation === undefined ? undefined : deferred(backend, 'Cast', operation, [x], x.shape, to);
    },
  },
  {
    name: 'Identity',
    isDeferred: true,
    compute: (inputs, _attributes, backend) => view(inputs.get('x'), inputs.get('x').shape, backend),
  },
  {
    name: 'Reshape',
    isDeferred: true,
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const shape = tf.util.inferFromImplicitShape(attributes.numbers('shape'), x.size);
      // The cpu backend's kernel reports the error.
      return tf.util.sizeFromShape(shape) === x.size ? view(x, shape, backend) : undefined;
    },
  },
];

const CASTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  float32: { int32: 'intsOfFloats', bool: 'truths' },
  int32: { float32: 'floatsOfInts', bool: 'truthsOfInts' },
  bool: { float32: 'copy', int32: 'intsOfFloats' },
};

function kernel(name: string, given: string | Form, operandsOf: (inputs: KernelInputs) => Tensor[]): NativeKernel {
  const form: Form = typeof given === 'string' ? { floats: given } : given;
  return {
    name,
    isDeferred: true,
    compute: (inputs, attributes, backend) => {
      const operands = operandsOf(inputs);
      const [first] = operands;
      if (first === undefined || operands.some(({ dtype }) => dtype !== first.dtype)) return undefined;
      const operation = operationOf(form, first.dtype);
      if (operation === undefined) return undefined;
      const shape = operands.reduce((all, { shape }) => broadcast(all, shape), first.shape);
      const dtype = form.result ?? first.dtype;
      return deferred(backend, name, operation, operands, shape, dtype, form.own?.(attributes));
    },
  };
}

/** Returns undefined for types that the cpu backend's kernel serves. */
function operationOf({ floats, integers, result, ofTruths }: Form, dtype: DataType): string | undefined {
  if (dtype === 'int32') return integers;
  if (dtype === 'bool') return result === 'bool' ? floats : undefined;
  return dtype === 'float32' && ofTruths !== true ? floats : undefined;
}

/** Returns the same data as a tensor of another shape. */
function view(x: Tensor, shape: number[], backend: NativeBackend): TensorInfo | undefined {
  if (x.dtype === 'complex64' || x.dtype === 'string') return undefined;
  // Data of another backend is moved here first.
  backend.data.get(x.dataId);
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape, dtype: x.dtype };
}

function broadcast(a: number[], b: number[]): number[] {
  return String(a) === String(b) ? b : tf.broadcast_util.assertAndGetBroadcastShape(a, b);
}
