import { tf } from '../../../core/index.js';

/** An operation of ours: its kernels (the same names on every backend) and their gradients. */
export interface Op {
  readonly kernels: readonly CompositeKernel[];
  readonly gradients: readonly tf.GradConfig[];
}

/** A kernel made of TensorFlow.js operations, so that it runs on every backend. */
export interface CompositeKernel {
  readonly name: string;
  readonly compute: (inputs: KernelInputs, attributes: Attributes) => tf.Tensor | tf.Tensor[];
}

/** The tensors that a kernel was called with, by name. */
export class KernelInputs {
  constructor(private readonly tensors: tf.NamedTensorInfoMap) {}

  /** @throws Error when the kernel was called without it */
  get(name: string): tf.Tensor {
    const tensor = this.optional(name);
    if (tensor === undefined) throw new Error(`the kernel needs the input ${name}`);
    return tensor;
  }

  optional(name: string): tf.Tensor | undefined {
    const tensor = this.tensors[name];
    return tensor instanceof tf.Tensor ? tensor : undefined;
  }

  /** In the order they were given; those that are named by their number in that of their numbers. */
  all(): tf.Tensor[] {
    // Called for every kernel: it makes nothing besides its result.
    const all: tf.Tensor[] = [];
    for (const name of Object.keys(this.tensors)) {
      const tensor = this.optional(name);
      if (tensor !== undefined) all.push(tensor);
    }
    return all;
  }

  /** The same with their names. */
  named(): [name: string, tensor: tf.Tensor][] {
    return Object.entries(this.tensors).flatMap(([name, tensor]) =>
      tensor instanceof tf.Tensor ? [[name, tensor] satisfies [string, tf.Tensor]] : [],
    );
  }

  /** All of them in so many groups of one size. */
  groups(count: number): tf.Tensor[][] {
    const all = this.all();
    const size = all.length / count;
    return Array.from({ length: count }, (_, group) => all.slice(group * size, (group + 1) * size));
  }
}

/** The plain values that a kernel was called with, by name. */
export class Attributes {
  constructor(private readonly values: tf.NamedAttrMap) {}

  /** Null is what TensorFlow.js passes for what was not given, such as the axes of a sum over all. */
  has(name: string): boolean {
    return (this.values[name] ?? undefined) !== undefined;
  }

  /** The same with other values of some names. */
  with(values: tf.NamedAttrMap): Attributes {
    return new Attributes({ ...this.values, ...values });
  }

  number(name: string): number {
    const value = this.values[name];
    if (typeof value !== 'number') throw new Error(`the kernel needs the number ${name}`);
    return value;
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** A list of numbers; a single one is a list of one. */
  numbers(name: string): number[] {
    const value = this.values[name];
    return (Array.isArray(value) ? value : [value]).filter((element) => typeof element === 'number');
  }

  /** The list itself that was given, so that what is made of it can be kept with it. */
  list(name: string): readonly number[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every((element) => typeof element === 'number'))
      throw new Error(`the kernel needs the list of numbers ${name}`);
    return value;
  }

  /** Whether it is a single number. */
  isNumber(name: string): boolean {
    return typeof this.values[name] === 'number';
  }

  /** Whether it is a list. */
  isList(name: string): boolean {
    return Array.isArray(this.values[name]);
  }

  /** A list of pairs of numbers. */
  pairs(name: string): [number, number][] {
    const value: unknown = this.values[name];
    const pairs: unknown[] = Array.isArray(value) ? value : [];
    return pairs.map((pair) => {
      const numbers: unknown[] = Array.isArray(pair) ? pair : [];
      return [Number(numbers[0]), Number(numbers[1])];
    });
  }

  /** The same text for the same values in the same order. */
  toString(): string {
    return JSON.stringify(this.values);
  }
}

/** Inputs that are named by their number: there may be many, and a name takes longer to make than a number. */
export function numbered(tensors: readonly tf.Tensor[]): tf.NamedTensorMap {
  return Object.fromEntries(tensors.entries());
}

/** Runs a kernel on the current backend. */
export function runKernel<T extends tf.Tensor>(
  name: string,
  inputs: tf.NamedTensorMap,
  attributes: tf.NamedAttrMap = {},
): T {
  return tf.engine().runKernel<T>(name, inputs, attributes);
}

/** Runs a kernel that returns several tensors. */
export function runKernelForAll(
  name: string,
  inputs: tf.NamedTensorMap,
  attributes: tf.NamedAttrMap = {},
): tf.Tensor[] {
  return tf.engine().runKernel<tf.Tensor[]>(name, inputs, attributes);
}

/** The inputs that are there. */
export function present(inputs: Readonly<Record<string, tf.Tensor | undefined>>): tf.NamedTensorMap {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, tensor]) => (tensor === undefined ? [] : [[name, tensor] as const])),
  );
}

/** The gradient of an output; its kernel's first one where there are several. */
export function firstOf(dy: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return at(Array.isArray(dy) ? dy : [dy], 0);
}

/** @throws Error when the list has no such element */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index];
  if (element === undefined) throw new Error(`a kernel gave ${list.length} tensors, number ${index} is asked for`);
  return element;
}

/** Size of the last axis. */
export function lastSize(x: tf.Tensor): number {
  return at(x.shape, x.rank - 1);
}

/** `x` of any rank as [rows, last axis]. */
export function asRows(x: tf.Tensor): tf.Tensor2D {
  return tf.reshape(x, [-1, lastSize(x)]);
}
