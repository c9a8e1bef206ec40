import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Numbers } from '../numbers.js';
import { DataNode, type Operation } from './node.js';
import { isOf, programOf, type Program } from './program.js';
import { isPart, readSize, rowsOf } from './rows.js';

/** Operations that wait for one result at most. */
const MOST_DEPTH = 48;
/** Memory that nothing but operations yet to be done read, before they are done. */
const MOST_HELD_BYTES = 128 * 2 ** 20;

/** The backend's memory, as far as operations that are done later need it. */
export interface Memory {
  /** The numbers of a tensor's data. */
  valuesOf(dataId: object): unknown;
  /** Tensors that have it. */
  tensorsOf(dataId: object): number;
  /** New memory for a node's numbers, which is the node's. */
  make(node: DataNode): Numbers;
  /** Back to the pool. */
  giveBack(values: Numbers, dataId: object): void;
  /** Has the addon run it; each array is that of the node at the same place. */
  run(program: Program, inputs: readonly Numbers[], outputs: readonly Numbers[]): void;
}

/** A tensor's data in the cpu backend's storage; whoever looks at its numbers has them computed. */
export class DeferredData {
  refCount = 1;

  constructor(
    readonly node: DataNode,
    private readonly deferral: Deferral,
  ) {}

  get dtype(): DataType {
    return this.node.dtype;
  }

  get values(): Numbers {
    return this.deferral.valuesOf(this.node);
  }
}

/**
 * Elementwise operations, and those along rows, are done when somebody needs their numbers, then those that lead to them
 * in one pass over memory. What is computed on the way is kept only where it is likely to be read again; else it is computed again
 * should it be, and never where it is disposed before.
 */
export class Deferral {
  /** Of data that is read or made by operations yet to be done. */
  readonly #nodes = new WeakMap<object, DataNode>();
  readonly #pending = new Set<DataNode>();
  #heldBytes = 0;

  constructor(
    private readonly memory: Memory,
    private readonly mostHeldBytes = MOST_HELD_BYTES,
  ) {}

  /** undefined: its numbers are not in memory as tensors of its type usually are. */
  nodeOf({ dataId, shape, dtype }: TensorInfo, size: number): DataNode | undefined {
    const known = this.#nodes.get(dataId);
    if (known !== undefined) return known.dtype === dtype ? known : undefined;
    if (!isOf(dtype, this.memory.valuesOf(dataId))) return undefined;
    const node = new DataNode(dataId, shape, size, dtype, undefined);
    this.#nodes.set(dataId, node);
    return node;
  }

  /** Data that will be the result. */
  defer(shape: number[], size: number, dtype: DataType, operation: Operation): DeferredData {
    this.#holdLess();
    let node = new DataNode({}, shape, size, dtype, operation);
    if (node.depth > MOST_DEPTH) {
      for (const operand of operation.operands) this.#settle(operand.node);
      node = new DataNode(node.dataId, shape, size, dtype, operation);
    }
    for (const operand of operation.operands) operand.node.readers++;
    this.#nodes.set(node.dataId, node);
    this.#pending.add(node);
    return new DeferredData(node, this);
  }

  valuesOf(node: DataNode): Numbers {
    this.#settle(node);
    if (node.values === undefined) throw new Error('a result of elementwise operations was not computed');
    return node.values;
  }

  /** Does all that is yet to be done. */
  settleAll(): void {
    for (const node of this.#pending) if (node.isAlive) this.#settle(node);
  }

  /** Whether operations yet to be done read it. */
  isRead(dataId: object): boolean {
    return (this.#nodes.get(dataId)?.readers ?? 0) > 0;
  }

  /** No tensor has it any more. Returns whether its memory, `values`, is kept for operations yet to be done. */
  disposed(dataId: object, values: Numbers | undefined): boolean {
    const node = this.#nodes.get(dataId);
    if (node === undefined) return false;
    this.#nodes.delete(dataId);
    node.isAlive = false;
    if (node.readers === 0) {
      if (node.pending !== undefined) this.#finish(node, node.pending);
      return false;
    }
    if (node.pending !== undefined || values === undefined) return false;
    node.values = values;
    this.#heldBytes += values.byteLength;
    return true;
  }

  /** Not where a tensor is disposed: what reads it may be disposed next, as at the end of a tidy, and is then never done. */
  #holdLess(): void {
    if (this.#heldBytes > this.mostHeldBytes) this.settleAll();
  }

  #settle(node: DataNode): void {
    if (node.pending === undefined) return;
    const rows = rowsOf(node);
    this.#settleOthers(node, node.pending, rows, new Set());
    const order: DataNode[] = [];
    collect(node, new Set(), order);
    const kept = this.#keptOf(node, order);
    for (const each of order) each.wasPassedBy = true;
    const program = programOf(order, kept, rows);
    const made = program.outputs.map((output) => (output.values = this.memory.make(output)));
    const read = program.inputs.map((input) => this.#numbersOf(input));
    for (const { isAlive, values } of program.outputs) if (!isAlive) this.#heldBytes += values?.byteLength ?? 0;
    this.memory.run(program, read, made);
    // Results come last: what led to them is let go of when they are there.
    for (const each of order.toReversed())
      if (each.pending !== undefined && kept.has(each)) this.#finish(each, each.pending);
  }

  /** What is broadcast is computed for itself: else each of its elements would be, many times. */
  #settleOthers(node: DataNode, operation: Operation, rows: number | undefined, seen: Set<DataNode>): void {
    for (const operand of operation.operands) {
      const { pending } = operand.node;
      if (pending === undefined || seen.has(operand.node)) continue;
      if (isPart(operand, readSize(operation, node.size, operand), rows)) {
        seen.add(operand.node);
        this.#settleOthers(operand.node, pending, rows, seen);
      } else this.#settle(operand.node);
    }
  }

  /**
   * The result, what others read too, what several tensors have (as a gradient's do), and what was computed before. Of
   * what has one element of each row, and takes little memory, also what is read by what is not kept and may be computed again.
   */
  #keptOf(result: DataNode, order: readonly DataNode[]): Set<DataNode> {
    const [reads, keptReads] = [new Map<DataNode, number>(), new Map<DataNode, number>()];
    const count = (into: Map<DataNode, number>, operation: Operation): void => {
      for (const { node } of operation.operands) into.set(node, (into.get(node) ?? 0) + 1);
    };
    for (const { pending } of order) if (pending !== undefined) count(reads, pending);
    const isKept = (node: DataNode): boolean => {
      const { readers, isAlive, wasPassedBy, pending } = node;
      if (node === result || readers > (reads.get(node) ?? 0)) return true;
      if (isAlive && (wasPassedBy || this.memory.tensorsOf(node.dataId) > 1)) return true;
      return pending?.along === 1 && (isAlive || readers > (keptReads.get(node) ?? 0));
    };
    const kept = new Set<DataNode>();
    for (const node of order.toReversed()) {
      if (!isKept(node)) continue;
      kept.add(node);
      if (node.pending !== undefined) count(keptReads, node.pending);
    }
    return kept;
  }

  /** Its numbers are there, or will never be needed. */
  #finish(node: DataNode, { operands }: Operation): void {
    node.pending = undefined;
    this.#pending.delete(node);
    for (const operand of operands) this.#release(operand.node);
  }

  #release(node: DataNode): void {
    node.readers--;
    if (node.readers > 0 || node.isAlive) return;
    if (node.pending !== undefined) this.#finish(node, node.pending);
    else if (node.values !== undefined) {
      const { values } = node;
      node.values = undefined;
      this.#heldBytes -= values.byteLength;
      this.memory.giveBack(values, node.dataId);
    }
  }

  #numbersOf(node: DataNode): Numbers {
    const values = node.values ?? this.memory.valuesOf(node.dataId);
    if (!isOf(node.dtype, values)) throw new Error('a tensor that elementwise operations read is not there');
    return values;
  }
}

/** What is yet to be done for a node, in an order in which it can be. */
function collect(node: DataNode, seen: Set<DataNode>, order: DataNode[]): void {
  seen.add(node);
  for (const operand of node.pending?.operands ?? [])
    if (operand.node.pending !== undefined && !seen.has(operand.node)) collect(operand.node, seen, order);
  order.push(node);
}
