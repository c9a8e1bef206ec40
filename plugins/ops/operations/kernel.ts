import { tf } from '../../../core/index.js';

/** One of our operations: its kernels, named alike on every backend, and their gradients. */
export interface Op {
  readonly kernels: readonly CompositeKernel[];
  readonly gradients: readonly tf.GradConfig[];
}

/** A kernel composed of TensorFlow.js operations, which runs on every backend. */
export interface CompositeKernel {
  readonly name: string;
  readonly compute: (inputs: KernelInputs, attributes: Attributes) => tf.Tensor | tf.Tensor[];
}

/** The input tensors of a kernel call, by name. */
export class KernelInputs {
  constructor(private readonly tensors: tf.NamedTensorInfoMap) {}

  /** Returns an input. @throws Error if the call does not have it */
  get(name: string): tf.Tensor {
    const tensor = this.optional(name);
    if (tensor === undefined) throw new Error(`the kernel needs the input ${name}`);
    return tensor;
  }

  optional(name: string): tf.Tensor | undefined {
    const tensor = this.tensors[name];
    return tensor instanceof tf.Tensor ? tensor : undefined;
  }

  /** Returns the inputs in the order given; numbered ones in numeric order. */
  all(): tf.Tensor[] {
    // A loop, because this runs for every kernel call and should allocate nothing but its result.
    const all: tf.Tensor[] = [];
    for (const name of Object.keys(this.tensors)) {
      const tensor = this.optional(name);
      if (tensor !== undefined) all.push(tensor);
    }
    return all;
  }

  /** Returns the inputs with their names. */
  named(): [name: string, tensor: tf.Tensor][] {
    return Object.entries(this.tensors).flatMap(([name, tensor]) =>
      tensor instanceof tf.Tensor ? [[name, tensor] satisfies [string, tf.Tensor]] : [],
    );
  }

  /** Splits the inputs into `count` groups of equal size. */
  groups(count: number): tf.Tensor[][] {
    const all = this.all();
    const size = all.length / count;
    return Array.from({ length: count }, (_, group) => all.slice(group * size, (group + 1) * size));
  }
}

/** The attributes of a kernel call, by name. */
export class Attributes {
  constructor(private readonly values: tf.NamedAttrMap) {}

  /** TensorFlow.js passes null for a missing attribute, such as the axes of a sum over all. */
  has(name: string): boolean {
    return (this.values[name] ?? undefined) !== undefined;
  }

  /** Returns a copy with some values replaced. */
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

  /** Returns a list of numbers; a single number becomes a list of one. */
  numbers(name: string): number[] {
    const value = this.values[name];
    return (Array.isArray(value) ? value : [value]).filter((element) => typeof element === 'number');
  }

  /** Returns the caller's own list, so that what is derived from it can be cached by it. */
  list(name: string): readonly number[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every((element) => typeof element === 'number'))
      throw new Error(`the kernel needs the list of numbers ${name}`);
    return value;
  }

  /** Returns whether the attribute is a single number. */
  isNumber(name: string): boolean {
    return typeof this.values[name] === 'number';
  }

  /** Returns whether the attribute is a list. */
  isList(name: string): boolean {
    return Array.isArray(this.values[name]);
  }

  /** Returns a list of pairs of numbers. */
  pairs(name: string): [number, number][] {
    const value: unknown = this.values[name];
    const pairs: unknown[] = Array.isArray(value) ? value : [];
    return pairs.map((pair) => {
      const numbers: unknown[] = Array.isArray(pair) ? pair : [];
      return [Number(numbers[0]), Number(numbers[1])];
    });
  }

  /** Returns equal text for equal values in equal order. */
  toString(): string {
    return JSON.stringify(this.values);
  }
}

/** Names inputs by index. */
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

/** Leaves out undefined inputs. */
export function present(inputs: Readonly<Record<string, tf.Tensor | undefined>>): tf.NamedTensorMap {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, tensor]) => (tensor === undefined ? [] : [[name, tensor] as const])),
  );
}

/** Returns the gradient of an output; the first one if the kernel has several outputs. */
export function firstOf(dy: tf.Tensor | tf.Tensor[]): tf.Tensor {
  return at(Array.isArray(dy) ? dy : [dy], 0);
}

/** Returns an element. @throws Error if the list has no such element */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index];
  if (element === undefined) throw new Error(`a kernel gave ${list.length} tensors, number ${index} is asked for`);
  return element;
}

/** Returns the size of the last axis. */
export function lastSize(x: tf.Tensor): number {
  return at(x.shape, x.rank - 1);
}

/** Reshapes `x` of any rank to [rows, last axis]. */
export function asRows(x: tf.Tensor): tf.Tensor2D {
  return tf.reshape(x, [-1, lastSize(x)]);
}
