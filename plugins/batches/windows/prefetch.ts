import { Worker } from 'node:worker_threads';
import type { Batch, BatchShape, TokenReader } from '../../../core/index.js';
import { openSharedModule } from '../../data/contract.js';
import { makeRing, Slot, type Ring } from './prefetch-ring.js';
import { windowsAt } from './windows.js';

/** A worker that takes longer than this for one batch is given up: the thread may be gone. */
const PATIENCE_MS = 10_000;

/**
 * Batches read ahead by a worker thread, into shared memory of a fixed size. Which windows a batch has is
 * known without the worker; a batch that is not ready is read here, so the loop never waits for a thread.
 */
export class Prefetch {
  readonly #ring: Ring;
  readonly #worker: Worker;
  /** Start positions of the batches that are asked for, the next first. */
  readonly #asked: number[][] = [];
  #head = 0;
  #givenUp = false;

  /**
   * @param next start positions of the batch after those asked for so far
   * @param depth batches ahead
   */
  constructor(
    readonly reader: TokenReader,
    readonly shape: BatchShape,
    depth: number,
    private readonly next: () => number[],
  ) {
    this.#ring = makeRing(reader.share(), shape, depth);
    const workerData = { ...this.#ring, opener: openSharedModule };
    this.#worker = new Worker(new URL('./prefetch-worker.js', import.meta.url), { workerData });
    // Batches that it does not deliver are read here.
    this.#worker.on('error', () => undefined);
    this.#worker.unref();
    this.#askAhead();
  }

  take(): Batch {
    const starts = this.#asked.shift();
    if (starts === undefined) throw new Error('nothing was asked for');
    const batch = this.#filled() ?? windowsAt(this.reader, starts, this.shape);
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
    const { flags, depth, starts, shape } = this.#ring;
    const slot = (this.#head + this.#asked.length) % depth;
    const next = this.next();
    this.#asked.push(next);
    if (this.#givenUp) return;
    starts.set(next, slot * shape.batchSize);
    Atomics.store(flags, slot, Slot.asked);
  }

  /** The batch at the head, unless it is quicker to read it here. */
  #filled(): Batch | undefined {
    if (this.#givenUp) return undefined;
    const { flags, tokens, shape } = this.#ring;
    const slot = this.#head;
    if (Atomics.compareExchange(flags, slot, Slot.asked, Slot.empty) === Slot.asked) return undefined;
    // Were its slots used again, what it wrote late could be taken for another batch.
    this.#givenUp = Atomics.wait(flags, slot, Slot.reading, PATIENCE_MS) === 'timed-out';
    if (Atomics.load(flags, slot) !== Slot.ready) return undefined;
    const half = shape.batchSize * shape.blockSize;
    const from = 2 * slot * half;
    return { ...shape, inputs: tokens.slice(from, from + half), targets: tokens.slice(from + half, from + 2 * half) };
  }
}
