import { Worker } from 'node:worker_threads';
import type { Batch, BatchShape, SharedTokens, TokenReader } from '../../../core/index.js';
import { openSharedModule } from '../../data/contract.js';
import type { Packing } from '../documents/packing.js';
import { readBatch, type BatchArrays } from './read-batch.js';

/** If the worker takes longer than this for one batch, the thread may be gone: stop using it. */
const PATIENCE_MS = 10_000;

/**
 * Prefetches batches in a worker thread, into shared memory of a fixed size. Which windows a batch has is known without
 * the worker. A batch that the worker has not begun is read here, so the loop never waits for one.
 */
export class Prefetch {
  readonly #ring: Ring;
  readonly #worker: Worker;
  /** Row numbers of the requested batches, in order. */
  readonly #asked: number[][] = [];
  #head = 0;
  #givenUp = false;

  /**
   * @param next returns the row numbers of the next batch to request: start positions of windows, or rows of the
   * packing
   * @param options.depth batches to prefetch
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
    // Batches that the worker does not deliver are read here.
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
    // Waking a thread takes longer than copying a batch: wake it once for several.
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

  /** Returns the batch at the head, or undefined if the worker has not begun it. */
  #filled(): Batch | undefined {
    if (this.#givenUp) return undefined;
    const { flags, shape } = this.#ring;
    const slot = this.#head;
    if (Atomics.compareExchange(flags, slot, Slot.asked, Slot.empty) === Slot.asked) return undefined;
    // After a timeout the slots are not reused: a late write could be mistaken for another batch.
    this.#givenUp = Atomics.wait(flags, slot, Slot.reading, PATIENCE_MS) === 'timed-out';
    if (Atomics.load(flags, slot) !== Slot.ready) return undefined;
    const { inputs, targets, documents } = arraysIn(this.#ring, slot);
    const copied = { ...shape, inputs: inputs.slice(), targets: targets.slice() };
    return documents === undefined ? copied : { ...copied, documents: documents.slice() };
  }
}

/** States of a slot of the ring, in order. */
export const Slot = { empty: 0, asked: 1, reading: 2, ready: 3, failed: 4 } as const;

/** A ring of slots in shared memory, each for one batch. */
export interface Ring {
  readonly source: SharedTokens;
  /** The packing whose rows are read; undefined for windows. */
  readonly packing: Packing | undefined;
  readonly shape: BatchShape;
  readonly depth: number;
  /** [depth + 1]: the state of each slot, then a counter that wakes the worker when a batch is requested. */
  readonly flags: Int32Array;
  /** [depth, batch]: row numbers of each slot. */
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

/** Returns the part of the ring that holds a slot's batch. */
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
