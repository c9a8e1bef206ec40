import type { Tensor } from '@tensorflow/tfjs-core';
import type { Attributes, KernelInputs } from '../../ops/contract.js';
import type { HostArray } from './pjrt/client.js';
import type { Graph } from './stablehlo/graph.js';
import type { Element, Form, Value } from './stablehlo/program.js';

/**
 * Lowers a kernel into the call's graph, using only the inputs' shapes and the attributes.
 * @returns undefined if the kernel does not support such inputs
 */
export type Lower = (call: KernelCall) => Value | readonly Value[] | undefined;

/** A kernel that can be lowered to StableHLO. */
export interface XlaKernel {
  readonly name: string;
  readonly lower: Lower;
  /** Numbers that differ between calls, passed as an argument so that the program need not be recompiled. */
  readonly varying?: (attributes: Attributes, inputs: KernelInputs) => Varying | undefined;
  /** The input whose elements are indices, and how many there are. */
  readonly indexes?: (inputs: KernelInputs, attributes: Attributes) => readonly [indices: Tensor, count: number];
  /** True if a call on results of a pending pass is added to its program. */
  readonly joins?: boolean;
  /** For each output, the index of the input whose memory it reuses if no other tensor shares it; -1 for none. */
  readonly replaces?: (inputCount: number, attributes: Attributes) => readonly number[];
}

/** Kernels by name; a function is a kernel that only lowers. */
export type Kernels = Readonly<Record<string, Lower | Omit<XlaKernel, 'name'>>>;

export interface Varying {
  /** The attributes that the numbers replace; the program does not depend on them. */
  readonly instead: readonly string[];
  readonly numbers: Int32Array | Float32Array;
}

/** A kernel call being lowered into a graph. */
export class KernelCall {
  /**
   * @param valueOf returns a tensor's value in the graph
   * @param varying `Varying.numbers` as a vector
   */
  constructor(
    readonly graph: Graph,
    readonly inputs: KernelInputs,
    readonly attributes: Attributes,
    private readonly valueOf: (tensor: Tensor) => Value,
    private readonly varying: Value | undefined,
  ) {}

  get(name: string): Value {
    return this.valueOf(this.inputs.get(name));
  }

  optional(name: string): Value | undefined {
    const tensor = this.inputs.optional(name);
    return tensor === undefined ? undefined : this.valueOf(tensor);
  }

  all(): Value[] {
    return this.inputs.all().map(this.valueOf);
  }

  /** The varying numbers as a vector; undefined if the call has none. */
  numbers(): Value | undefined {
    return this.varying;
  }

  /** Returns one of the varying numbers as a scalar. @throws Error if the call has none */
  number(index: number): Value {
    if (this.varying === undefined) throw new Error('the call has no numbers of its own');
    return this.graph.reshape(this.graph.part(this.varying, 0, index, 1), []);
  }
}

const ELEMENTS: Readonly<Record<string, Element>> = { float32: 'f32', int32: 'i32', bool: 'i1' };

/** Tensor types that programs support; tensors of other types stay in JavaScript. */
export type NumberType = 'float32' | 'int32' | 'bool';

export function isNumberType(dtype: string): dtype is NumberType {
  return dtype in ELEMENTS;
}

/** @throws Error for a type that programs do not support */
export function elementOf(dtype: string): Element {
  const element = ELEMENTS[dtype];
  if (element === undefined) throw new Error(`programs have no tensors of ${dtype}`);
  return element;
}

/** @throws Error for a type that tensors do not support */
export function dtypeOf(element: Element): NumberType {
  if (element === 'f32') return 'float32';
  if (element === 'i32') return 'int32';
  if (element === 'i1') return 'bool';
  throw new Error(`tensors are not of ${element}`);
}

/** Returns a new array for elements of a type. */
export function arrayOf(dtype: NumberType, length: number): HostArray {
  if (dtype === 'float32') return new Float32Array(length);
  return dtype === 'int32' ? new Int32Array(length) : new Uint8Array(length);
}

/** Returns the form of a vector of numbers. */
export function formOf(numbers: Int32Array | Float32Array): Form {
  return { shape: [numbers.length], type: numbers instanceof Int32Array ? 'i32' : 'f32' };
}

/** Numbers in any typed array. */
export function isNumbers(values: unknown): values is ArrayLike<number> {
  return ArrayBuffer.isView(values) || (Array.isArray(values) && values.every((each) => typeof each === 'number'));
}
