import type { Tensor } from '@tensorflow/tfjs-core';
import type { Attributes, KernelInputs } from '../../ops/contract.js';
import type { HostArray } from './pjrt/client.js';
import type { Graph } from './stablehlo/graph.js';
import type { Element, Form, Value } from './stablehlo/program.js';

/** A kernel as a piece of a program. */
export interface XlaKernel {
  readonly name: string;
  /**
   * Writes what the kernel computes into the call's graph, from the inputs' shapes and the attributes alone.
   * @returns undefined if the kernel has no form for such inputs
   */
  readonly lower: (call: KernelCall) => Value | readonly Value[] | undefined;
  /** Numbers that differ from call to call: an argument of the program, which would be compiled anew for each else. */
  readonly varying?: (attributes: Attributes, inputs: KernelInputs) => Varying | undefined;
  /** By output, the number of the input whose memory it takes, where no other tensor has that memory. */
  readonly replaces?: (inputCount: number, attributes: Attributes) => readonly number[];
}

export interface Varying {
  /** The attributes that the numbers stand for: the program does not depend on them. */
  readonly instead: readonly string[];
  readonly numbers: Int32Array | Float32Array;
}

/** A call of a kernel that is written into a graph. */
export class KernelCall {
  /**
   * @param valueOf what a tensor is in the graph
   * @param varying `Varying.numbers`, in one axis
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

  /** The varying numbers, in one axis; undefined where the call has none. */
  numbers(): Value | undefined {
    return this.varying;
  }

  /** One of the varying numbers, without axes. @throws Error where the call has none */
  number(index: number): Value {
    if (this.varying === undefined) throw new Error('the call has no numbers of its own');
    return this.graph.reshape(this.graph.part(this.varying, 0, index, 1), []);
  }
}

const ELEMENTS: Readonly<Record<string, Element>> = { float32: 'f32', int32: 'i32', bool: 'i1' };

/** Types of tensors that programs have; the others stay in JavaScript. */
export type NumberType = 'float32' | 'int32' | 'bool';

export function isNumberType(dtype: string): dtype is NumberType {
  return dtype in ELEMENTS;
}

/** @throws Error for a type that programs do not have */
export function elementOf(dtype: string): Element {
  const element = ELEMENTS[dtype];
  if (element === undefined) throw new Error(`programs have no tensors of ${dtype}`);
  return element;
}

/** @throws Error for a type that tensors do not have */
export function dtypeOf(element: Element): NumberType {
  if (element === 'f32') return 'float32';
  if (element === 'i32') return 'int32';
  if (element === 'i1') return 'bool';
  throw new Error(`tensors are not of ${element}`);
}

/** An array of a type's elements. */
export function arrayOf(dtype: NumberType, length: number): HostArray {
  if (dtype === 'float32') return new Float32Array(length);
  return dtype === 'int32' ? new Int32Array(length) : new Uint8Array(length);
}

/** Numbers in one axis, as a program has them. */
export function formOf(numbers: Int32Array | Float32Array): Form {
  return { shape: [numbers.length], type: numbers instanceof Int32Array ? 'i32' : 'f32' };
}

/** An array of numbers of any kind. */
export function isNumbers(values: unknown): values is ArrayLike<number> {
  return ArrayBuffer.isView(values) || (Array.isArray(values) && values.every((each) => typeof each === 'number'));
}
