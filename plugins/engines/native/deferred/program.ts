import type { Numbers, NumberType } from '../numbers.js';
import type { DataNode, Operand, Operation, View } from './node.js';
import { readSize, rowsSize, type Rows } from './rows.js';

/** Elements in memory, by the addon's numbers. */
const TYPES: Readonly<Record<NumberType, number>> = { float32: 0, int32: 1, bool: 2 };

/** A chain of elementwise operations that the addon runs in one pass over memory. */
export interface Program {
  readonly plan: Int32Array;
  readonly inputs: readonly DataNode[];
  readonly outputs: readonly DataNode[];
  /** TensorFlow.js's kernels that it does the work of. */
  readonly kernels: ReadonlySet<string>;
}

/** What a step reads and writes: elements, those that are one of each row, or rows. */
const [EACH, EACH_OF_ROWS, ALONG_ROWS] = [0, 1, 2];

/** The step along rows that gives each element of a row one that is of the row; a test of the addon's names holds it. */
const SPREAD = 2;

/**
 * @param order what is computed, each after what it is computed from
 * @param kept which of them come into memory
 * @param rows undefined: all are of one size
 */
export function programOf(order: readonly DataNode[], kept: ReadonlySet<DataNode>, rows: Rows | undefined): Program {
  const size = rowsSize(rows) ?? order.at(-1)?.size ?? 0;
  const inputs = new InputList();
  for (const { pending, size: made } of order)
    for (const { node, view } of pending?.operands ?? [])
      if (pending !== undefined && node.pending === undefined) inputs.add(node, view, readSize(pending, made));
  const registers = new Registers(inputs, order, kept, size);
  const steps = order.flatMap((node) => (node.pending === undefined ? [] : registers.steps(node, node.pending)));
  const outputs = order.filter((node) => kept.has(node));
  const words = [size, rows?.columns ?? 0, registers.count, inputs.count, steps.length, outputs.length];
  inputs.describe(size, words);
  for (const step of steps) words.push(...step);
  for (const node of outputs) words.push(Number(node.size !== size), TYPES[storedAs(node.dtype)], registers.of(node));
  const kernels = new Set(order.flatMap(({ pending }) => pending?.kernel ?? []));
  return { plan: Int32Array.from(words), inputs: inputs.nodes, outputs, kernels };
}

/** @throws Error for a type that is neither of numbers nor of truths */
export function storedAs(dtype: string): NumberType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`elementwise operations compute no ${dtype}`);
}

/** Whether an array is what tensors of a type are kept in. */
export function isOf(dtype: string, values: unknown): values is Numbers {
  if (dtype === 'float32') return values instanceof Float32Array;
  return dtype === 'int32' ? values instanceof Int32Array : dtype === 'bool' && values instanceof Uint8Array;
}

/** Inputs, each once for each way in which it is read. */
class InputList {
  readonly nodes: DataNode[] = [];
  readonly #views: (View | undefined)[] = [];
  /** Elements that are read of each. */
  readonly #sizes: number[] = [];

  get count(): number {
    return this.nodes.length;
  }

  add(node: DataNode, view: View | undefined, size: number): void {
    if (this.registerOf(node, view, size) !== -1) return;
    this.nodes.push(node);
    this.#views.push(view);
    this.#sizes.push(size);
  }

  registerOf(node: DataNode, view: View | undefined, size: number): number {
    return this.nodes.findIndex(
      (other, index) => other === node && this.#sizes[index] === size && isSame(this.#views[index], view),
    );
  }

  describe(size: number, words: number[]): void {
    for (const [index, { dtype }] of this.nodes.entries()) {
      const own = this.#sizes[index] ?? size;
      const { sizes, strides } = this.#views[index] ?? { sizes: [own], strides: [1] };
      words.push(Number(own !== size), TYPES[storedAs(dtype)], sizes.length, ...sizes, ...strides);
    }
  }
}

function isSame(a: View | undefined, b: View | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.sizes.length !== b.sizes.length) return false;
  return a.sizes.every((size, axis) => size === b.sizes[axis] && a.strides[axis] === b.strides[axis]);
}

/** Registers of results; one whose last reader has read it is used again, for what is as wide. */
class Registers {
  count: number;
  readonly #of = new Map<DataNode, number>();
  readonly #left = new Map<DataNode, number>();
  readonly #free = { narrow: new Array<number>(), wide: new Array<number>() };
  readonly #word = new Int32Array(2);
  readonly #floats = new Float32Array(this.#word.buffer);
  readonly #double = new Float64Array(this.#word.buffer);

  /** @param size of the widest results */
  constructor(
    private readonly inputs: InputList,
    order: readonly DataNode[],
    private readonly kept: ReadonlySet<DataNode>,
    private readonly size: number,
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

  /** An operation's step, after those that spread elements of rows over the rows that it reads. */
  steps(node: DataNode, operation: Operation): number[][] {
    const { code, along, operands, p, q } = operation;
    const read = readSize(operation, node.size);
    const before: number[][] = [];
    const spread: number[] = [];
    const from = operands.map((operand) => {
      if (operand.node.pending === undefined) return this.inputs.registerOf(operand.node, operand.view, read);
      const register = this.of(operand.node);
      if (operand.node.size === read) return register;
      const wide = this.#take(this.size);
      before.push([ALONG_ROWS, SPREAD, wide, register, register, register, 0, 0]);
      spread.push(wide);
      return wide;
    });
    for (const operand of operands) this.#read(operand);
    this.#free.wide.push(...spread);
    const to = this.kept.has(node) ? this.count++ : this.#take(node.size);
    this.#of.set(node, to);
    if (along === undefined) this.#floats.set([p, q]);
    else this.#double[0] = p;
    const kind = along === undefined ? (node.size === this.size ? EACH : EACH_OF_ROWS) : ALONG_ROWS;
    const [a = 0, b = a, c = a] = from;
    return [...before, [kind, code, to, a, b, c, this.#word[0] ?? 0, this.#word[1] ?? 0]];
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
    return size === this.size ? this.#free.wide : this.#free.narrow;
  }
}
