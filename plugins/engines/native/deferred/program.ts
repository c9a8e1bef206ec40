import type { Numbers, NumberType } from '../numbers.js';
import type { DataNode, Operation, View } from './node.js';

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

/**
 * @param order what is computed, each after what it is computed from; of one size
 * @param kept which of them come into memory
 */
export function programOf(order: readonly DataNode[], kept: ReadonlySet<DataNode>): Program {
  const inputs = new InputList();
  for (const { pending } of order)
    for (const { node, view } of pending?.operands ?? []) if (node.pending === undefined) inputs.add(node, view);
  const registers = new Registers(inputs.count, order, kept);
  const size = order.at(-1)?.size ?? 0;
  const steps = order.flatMap((node) => (node.pending === undefined ? [] : registers.step(node, node.pending, inputs)));
  const outputs = order.filter((node) => kept.has(node));
  const words = [size, registers.count, inputs.count, order.length, outputs.length];
  inputs.describe(size, words);
  for (const step of steps) words.push(step);
  for (const node of outputs) words.push(TYPES[storedAs(node.dtype)], registers.of(node));
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

  get count(): number {
    return this.nodes.length;
  }

  add(node: DataNode, view: View | undefined): void {
    if (this.registerOf(node, view) === -1) {
      this.nodes.push(node);
      this.#views.push(view);
    }
  }

  registerOf(node: DataNode, view: View | undefined): number {
    return this.nodes.findIndex((other, index) => other === node && isSame(this.#views[index], view));
  }

  describe(size: number, words: number[]): void {
    for (const [index, { dtype }] of this.nodes.entries()) {
      const { sizes, strides } = this.#views[index] ?? { sizes: [size], strides: [1] };
      words.push(TYPES[storedAs(dtype)], sizes.length, ...sizes, ...strides);
    }
  }
}

function isSame(a: View | undefined, b: View | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.sizes.length !== b.sizes.length) return false;
  return a.sizes.every((size, axis) => size === b.sizes[axis] && a.strides[axis] === b.strides[axis]);
}

/** Registers of results; one whose last reader has read it is used again. */
class Registers {
  count: number;
  readonly #of = new Map<DataNode, number>();
  readonly #left = new Map<DataNode, number>();
  readonly #free: number[] = [];
  readonly #word = new Int32Array(2);
  readonly #floats = new Float32Array(this.#word.buffer);

  constructor(
    inputs: number,
    order: readonly DataNode[],
    private readonly kept: ReadonlySet<DataNode>,
  ) {
    this.count = inputs;
    for (const { pending } of order)
      for (const { node } of pending?.operands ?? []) this.#left.set(node, (this.#left.get(node) ?? 0) + 1);
  }

  of(node: DataNode): number {
    const register = this.#of.get(node);
    if (register === undefined) throw new Error('an elementwise operation reads what was not computed');
    return register;
  }

  step(node: DataNode, { code, operands, p, q }: Operation, inputs: InputList): number[] {
    const from = operands.map((operand) =>
      operand.node.pending === undefined ? inputs.registerOf(operand.node, operand.view) : this.of(operand.node),
    );
    for (const operand of operands) this.#read(operand.node);
    const to = this.kept.has(node) ? this.count++ : (this.#free.pop() ?? this.count++);
    this.#of.set(node, to);
    this.#floats[0] = p;
    this.#floats[1] = q;
    const [a = 0, b = a, c = a] = from;
    return [code, to, a, b, c, this.#word[0] ?? 0, this.#word[1] ?? 0];
  }

  #read(node: DataNode): void {
    const left = (this.#left.get(node) ?? 0) - 1;
    this.#left.set(node, left);
    if (left === 0 && node.pending !== undefined && !this.kept.has(node)) this.#free.push(this.of(node));
  }
}
