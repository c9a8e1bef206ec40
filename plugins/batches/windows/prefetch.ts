import { Worker } from 'node:worker_threads';
import type { Batch, BatchShape, SharedTokens, TokenReader } from '../../../core/index.js';
import { openSharedModule } from '../../data/contract.js';
import type { Packing } from '../documents/packing.js';
import { readBatch, type BatchArrays } from './read-batch.js';

/** A worker that takes longer than this for one batch is given up: the thread may be gone. */
const PATIENCE_MS = 10_000;

/**
 * Batches read ahead by a worker thread, into shared memory of a fixed size. Which windows a batch has is
 * known without the worker; a batch that is not ready is read here, so the loop never waits for a thread.
 */
export class Prefetch {
  readonly #ring: Ring;
  readonly #worker: Worker;
  /** Numbers of the rows of the batches that are asked for, the next first. */
  readonly #asked: number[][] = [];
  #head = 0;
  #givenUp = false;

  /**
   * @param next numbers of the rows of the batch after those asked for so far: where windows start, or rows of the packing
   * @param options.depth batches ahead
   */
  constructor(
    private readonly reader: TokenReader,
    shape: BatchShape,
    { depth, packing }: { readonly depth: number; readonly packing: Packing | undefined },
    private readonly next: () => number[],
  ) {
    this.#ring = makeRing({ source: reader.share(), packing, shape, depth });
    const workerData: PrefetchSetup = { ...this.#ring, opener: openSharedModule };
    this.#worker = new Worker(new URL('./prefetch-worker.js', import.meta.url), { workerData });
    // Batches that it does not deliver are read here.
    this.#worker.on('error', () => undefined);
    this.#worker.unref();
    this.#askAhead();
  }

  take(): Batch {
    const numbers = this.#asked.shift();
    if (numbers === undefined) throw new Error('nothing was asked for');
    const { packing, shape } = this.#ring;
    const batch = this.#filled() ?? readBatch(this.reader, packing, numbers, shape.blockSize);
    if (!this.#givenUp) Atomics.store(this.#ring.flags, this.#head, Slot.empty);
    this.#head = (this.#head + 1) % this.#ring.depth;
    // Waking a thread takes longer than copying a batch: it is done once for several.
    if (this.#asked.length <= this.#ring.depth / 2) this.#askAhead();
    return batch;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #askAhead(): void {
    const { flags, depth } = this.#ring;
    while (this.#asked.length < depth) this.#ask();
    if (this.#givenUp) return;
    Atomics.add(flags, depth, 1);
    Atomics.notify(flags, depth);
  }

  #ask(): void {
    const { flags, depth, numbers, shape } = this.#ring;
    const slot = (this.#head + this.#asked.length) % depth;
    const next = this.next();
    this.#asked.push(next);
    if (this.#givenUp) return;
    numbers.set(next, slot * shape.batchSize);
    Atomics.store(flags, slot, Slot.asked);
  }

  /** The batch at the head, unless it is quicker to read it here. */
  #filled(): Batch | undefined {
    if (this.#givenUp) return undefined;
    const { flags, shape } = this.#ring;
    const slot = this.#head;
    if (Atomics.compareExchange(flags, slot, Slot.asked, Slot.empty) === Slot.asked) return undefined;
    // Were its slots used again, what it wrote late could be taken for another batch.
    this.#givenUp = Atomics.wait(flags, slot, Slot.reading, PATIENCE_MS) === 'timed-out';
    if (Atomics.load(flags, slot) !== Slot.ready) return undefined;
    const { inputs, targets, documents } = arraysIn(this.#ring, slot);
    const copied = { ...shape, inputs: inputs.slice(), targets: targets.slice() };
    return documents === undefined ? copied : { ...copied, documents: documents.slice() };
  }
}

/** States of a slot of the ring, in order. */
export const Slot = { empty: 0, asked: 1, reading: 2, ready: 3, failed: 4 } as const;

/** What the worker starts with: a ring of slots in shared memory, each for one batch. */
export interface Ring {
  readonly source: SharedTokens;
  /** Whose rows are read; undefined for windows. */
  readonly packing: Packing | undefined;
  readonly shape: BatchShape;
  readonly depth: number;
  /** State of each slot, and behind them a bell that rings when a batch is asked for. */
  readonly flags: Int32Array;
  /** [depth, batch]: numbers of the rows of each slot. */
  readonly numbers: Float64Array;
  /** [depth, 2 or 3, batch, block]: inputs, then targets, then the documents of a packing. */
  readonly tokens: Int32Array;
}

export interface PrefetchSetup extends Ring {
  /** Module that opens `source`. */
  readonly opener: string;
}

function makeRing(of: Pick<Ring, 'source' | 'packing' | 'shape' | 'depth'>): Ring {
  const { packing, shape, depth } = of;
  const size = arraysOf(packing) * shape.batchSize * shape.blockSize;
  return {
    ...of,
    flags: new Int32Array(new SharedArrayBuffer(4 * (depth + 1))),
    numbers: new Float64Array(new SharedArrayBuffer(8 * depth * shape.batchSize)),
    tokens: new Int32Array(new SharedArrayBuffer(4 * depth * size)),
  };
}

/** The part of the ring that a slot's batch is in. */
export function arraysIn({ tokens, packing, shape }: Ring, slot: number): BatchArrays {
  const { batchSize, blockSize } = shape;
  const [count, size] = [arraysOf(packing), batchSize * blockSize];
  const part = (index: number): Int32Array =>
    tokens.subarray((count * slot + index) * size, (count * slot + index + 1) * size);
  const arrays = { inputs: part(0), targets: part(1), blockSize };
  return packing === undefined ? arrays : { ...arrays, documents: part(2) };
}

function arraysOf(packing: Packing | undefined): 2 | 3 {
  return packing === undefined ? 2 : 3;
}
