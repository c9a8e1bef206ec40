import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Numbers } from '../numbers.js';
import { DataNode, type Operation } from './node.js';
import { isOf, programOf, type Program } from './program.js';
import { isPart, readSize, rowsOf } from './rows.js';

/** Maximum number of operations pending for one result. */
const MOST_DEPTH = 48;
/** Maximum memory that only pending operations hold. */
const MOST_HELD_BYTES = 128 * 2 ** 20;

/** The part of the backend's memory management that deferred operations need. */
export interface Memory {
  /** Returns the values of a tensor's data. */
  valuesOf(dataId: object): unknown;
  /** Returns the number of tensors that use it. */
  tensorsOf(dataId: object): number;
  /** Allocates memory for a node's values, owned by the node. */
  make(node: DataNode): Numbers;
  /** Returns memory to the pool. */
  giveBack(values: Numbers, dataId: object): void;
  /** Runs a program in the addon; each array belongs to the node at the same index. */
  run(program: Program, inputs: readonly Numbers[], outputs: readonly Numbers[]): void;
}

/** A tensor's data in the cpu backend's storage; reading its values computes them. */
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
 * Defers elementwise and row operations until their values are needed, then computes the result together with the
 * operations leading to it in one pass over memory. An intermediate result is stored only if it is likely to be read
 * again; otherwise it is recomputed if needed, and never computed if it is disposed first.
 */
export class Deferral {
  /** Nodes of data that pending operations read or produce. */
  readonly #nodes = new WeakMap<object, DataNode>();
  readonly #pending = new Set<DataNode>();
  #heldBytes = 0;

  constructor(
    private readonly memory: Memory,
    private readonly mostHeldBytes = MOST_HELD_BYTES,
  ) {}

  /** Returns undefined if the data is not stored in the usual form of its type. */
  nodeOf({ dataId, shape, dtype }: TensorInfo, size: number): DataNode | undefined {
    const known = this.#nodes.get(dataId);
    if (known !== undefined) return known.dtype === dtype ? known : undefined;
    if (!isOf(dtype, this.memory.valuesOf(dataId))) return undefined;
    const node = new DataNode(dataId, shape, size, dtype, undefined);
    this.#nodes.set(dataId, node);
    return node;
  }

  /** Returns data for the result of a deferred operation. */
  defer(shape: number[], size: number, dtype: DataType, operation: Operation): DeferredData {
    this.#holdLess();
    let node = new DataNode({}, shape, size, dtype, operation);
    if (node.depth > MOST_DEPTH) {
      for (const operand of operation.operands) this.#compute(operand.node);
      node = new DataNode(node.dataId, shape, size, dtype, operation);
    }
    for (const operand of operation.operands) operand.node.readers++;
    this.#nodes.set(node.dataId, node);
    this.#pending.add(node);
    return new DeferredData(node, this);
  }

  valuesOf(node: DataNode): Numbers {
    this.#compute(node);
    if (node.values === undefined) throw new Error('a result of elementwise operations was not computed');
    return node.values;
  }

  /** Computes everything that is pending. */
  computeAll(): void {
    for (const node of this.#pending) if (node.isAlive) this.#compute(node);
  }

  /** Returns whether pending operations read it. */
  isRead(dataId: object): boolean {
    return (this.#nodes.get(dataId)?.readers ?? 0) > 0;
  }

  /** Called when no tensor uses the data. Returns whether its memory, `values`, is kept for pending operations. */
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

  /**
   * Not called on disposal: the readers may be disposed next, as at the end of a tidy, and then need not be computed.
   */
  #holdLess(): void {
    if (this.#heldBytes > this.mostHeldBytes) this.computeAll();
  }

  #compute(node: DataNode): void {
    if (node.pending === undefined) return;
    const rows = rowsOf(node);
    this.#computeOthers(node, node.pending, rows, new Set());
    const order: DataNode[] = [];
    collect(node, new Set(), order);
    const kept = this.#keptOf(node, order);
    for (const each of order) each.wasPassedBy = true;
    const program = programOf(order, kept, rows);
    const made = program.outputs.map((output) => (output.values = this.memory.make(output)));
    const read = program.inputs.map((input) => this.#numbersOf(input));
    for (const { isAlive, values } of program.outputs) if (!isAlive) this.#heldBytes += values?.byteLength ?? 0;
    this.memory.run(program, read, made);
    // In reverse order, so that operands are released after their readers.
    for (const each of order.toReversed())
      if (each.pending !== undefined && kept.has(each)) this.#finish(each, each.pending);
  }

  /**
   * Computes broadcast operands separately first: in the same pass each of their elements would be computed many times.
   */
  #computeOthers(node: DataNode, operation: Operation, rows: number | undefined, seen: Set<DataNode>): void {
    for (const operand of operation.operands) {
      const { pending } = operand.node;
      if (pending === undefined || seen.has(operand.node)) continue;
      if (isPart(operand, readSize(operation, node.size, operand), rows)) {
        seen.add(operand.node);
        this.#computeOthers(operand.node, pending, rows, seen);
      } else this.#compute(operand.node);
    }
  }

  /**
   * Returns which nodes to store: the result, what other operations read, what several tensors share (such as a
   * gradient), and what was computed before. Small per-row results are also stored if they are read by a node that is
   * not stored and may be recomputed.
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

  /** Marks a node as computed, or as never needed. */
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

/** Collects the pending operations that a node needs, in a valid order. */
function collect(node: DataNode, seen: Set<DataNode>, order: DataNode[]): void {
  seen.add(node);
  for (const operand of node.pending?.operands ?? [])
    if (operand.node.pending !== undefined && !seen.has(operand.node)) collect(operand.node, seen, order);
  order.push(node);
}
