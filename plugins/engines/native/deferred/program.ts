import type { Numbers, NumberType } from '../numbers.js';
import type { DataNode, Operand, Operation, View } from './node.js';
import { readSize } from './rows.js';

/** The addon's codes of element types. */
const TYPES: Readonly<Record<NumberType, number>> = { float32: 0, int32: 1, bool: 2 };

/** A chain of elementwise operations that the addon runs in one pass over memory. */
export interface Program {
  readonly plan: Int32Array;
  readonly inputs: readonly DataNode[];
  readonly outputs: readonly DataNode[];
  /** Names of the TensorFlow.js kernels it replaces. */
  readonly kernels: ReadonlySet<string>;
}

/** Code of the row operation that spreads one value per row over the row; a test compares it with the addon's names. */
const SPREAD = 2;

/**
 * @param order the nodes to compute, each after its operands
 * @param kept those whose values are stored
 * @param rows number of rows; undefined if no operation goes along rows, and all have one size
 */
export function programOf(
  order: readonly DataNode[],
  kept: ReadonlySet<DataNode>,
  rows = order.at(-1)?.size ?? 0,
): Program {
  const inputs = new InputList();
  for (const { pending, size } of order)
    for (const operand of pending?.operands ?? [])
      if (pending !== undefined && operand.node.pending === undefined)
        inputs.add(operand, readSize(pending, size, operand));
  const registers = new Registers(inputs, order, kept, rows);
  const steps = order.flatMap((node) => (node.pending === undefined ? [] : registers.steps(node, node.pending)));
  const outputs = order.filter((node) => kept.has(node));
  const words = [rows, registers.count, inputs.count, steps.length, outputs.length];
  inputs.describe(rows, words);
  for (const step of steps) words.push(...step);
  for (const node of outputs) words.push(node.size / rows, TYPES[storedAs(node.dtype)], registers.of(node));
  const kernels = new Set(order.flatMap(({ pending }) => pending?.kernel ?? []));
  return { plan: Int32Array.from(words), inputs: inputs.nodes, outputs, kernels };
}

/** @throws Error for a type that is neither numeric nor boolean */
export function storedAs(dtype: string): NumberType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`elementwise operations compute no ${dtype}`);
}

/** Returns whether an array has the element type that tensors of a type use. */
export function isOf(dtype: string, values: unknown): values is Numbers {
  if (dtype === 'float32') return values instanceof Float32Array;
  return dtype === 'int32' ? values instanceof Int32Array : dtype === 'bool' && values instanceof Uint8Array;
}

/** Inputs of a program, one for each distinct way of reading them. */
class InputList {
  readonly nodes: DataNode[] = [];
  readonly #views: (View | undefined)[] = [];
  /** Number of elements read of each. */
  readonly #sizes: number[] = [];

  get count(): number {
    return this.nodes.length;
  }

  add(operand: Operand, size: number): void {
    if (this.registerOf(operand, size) !== -1) return;
    const { node, view } = operand;
    this.nodes.push(node);
    this.#views.push(view);
    this.#sizes.push(size);
  }

  registerOf({ node, view }: Operand, size: number): number {
    return this.nodes.findIndex(
      (other, index) => other === node && this.#sizes[index] === size && isSame(this.#views[index], view),
    );
  }

  describe(rows: number, words: number[]): void {
    for (const [index, { dtype }] of this.nodes.entries()) {
      const size = this.#sizes[index] ?? rows;
      const { sizes, strides } = this.#views[index] ?? { sizes: [size], strides: [1] };
      words.push(size / rows, TYPES[storedAs(dtype)], sizes.length, ...sizes, ...strides);
    }
  }
}

function isSame(a: View | undefined, b: View | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.sizes.length !== b.sizes.length) return false;
  return a.sizes.every((size, axis) => size === b.sizes[axis] && a.strides[axis] === b.strides[axis]);
}

/** Allocates registers for results; a register is reused after its last reader, for a result of the same width. */
class Registers {
  count: number;
  readonly #of = new Map<DataNode, number>();
  readonly #left = new Map<DataNode, number>();
  /** Free registers, by width. */
  readonly #free = new Map<number, number[]>();
  readonly #word = new Int32Array(2);
  readonly #floats = new Float32Array(this.#word.buffer);
  readonly #double = new Float64Array(this.#word.buffer);

  constructor(
    private readonly inputs: InputList,
    order: readonly DataNode[],
    private readonly kept: ReadonlySet<DataNode>,
    private readonly rows: number,
  ) {
    this.count = inputs.count;
    for (const { pending } of order)
      for (const { node } of pending?.operands ?? []) this.#left.set(node, (this.#left.get(node) ?? 0) + 1);
  }

  of(node: DataNode): number {
    const register = this.#of.get(node);
    if (register === undefined) throw new Error('an elementwise operation reads what was not computed');
    return register;
  }

  /** Returns the steps of an operation, after those that spread per-row operands over the rows. */
  steps(node: DataNode, operation: Operation): number[][] {
    const { code, along, operands, p, q } = operation;
    const before: number[][] = [];
    const spread: (readonly [size: number, register: number])[] = [];
    const from = operands.map((operand) => {
      const size = readSize(operation, node.size, operand);
      if (operand.node.pending === undefined) return this.inputs.registerOf(operand, size);
      const register = this.of(operand.node);
      if (operand.node.size === size) return register;
      const wide = this.#take(size);
      before.push([1, SPREAD, wide, register, register, register, size / this.rows, 0, 0]);
      spread.push([size, wide]);
      return wide;
    });
    for (const operand of operands) this.#read(operand);
    for (const [size, register] of spread) this.#freeOf(size).push(register);
    const to = this.kept.has(node) ? this.count++ : this.#take(node.size);
    this.#of.set(node, to);
    if (along === undefined) this.#floats.set([p, q]);
    else this.#double[0] = p;
    const [a = 0, b = a, c = a] = from;
    const columns = node.size / this.rows;
    const numbers = [this.#word[0] ?? 0, this.#word[1] ?? 0];
    return [...before, [Number(along !== undefined), code, to, a, b, c, columns, ...numbers]];
  }

  #take(size: number): number {
    return this.#freeOf(size).pop() ?? this.count++;
  }

  #read({ node }: Operand): void {
    const left = (this.#left.get(node) ?? 0) - 1;
    this.#left.set(node, left);
    if (left === 0 && node.pending !== undefined && !this.kept.has(node)) this.#freeOf(node.size).push(this.of(node));
  }

  #freeOf(size: number): number[] {
    const free = this.#free.get(size) ?? [];
    this.#free.set(size, free);
    return free;
  }
}
