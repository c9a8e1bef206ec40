import { Worker } from 'node:worker_threads';
import { UsageError } from '../../../core/errors.js';
import type { Batch, BatchShape, RandomStream, Rows, SharedTokens, TokenReader } from '../../../core/index.js';

/** The batch whose row `i` is the window of `reader` that starts at `starts[i]`; targets are what is learned, one token on. */
export function windowsAt(reader: TokenReader, starts: readonly number[], { batchSize, blockSize }: BatchShape): Batch {
  const inputs = new Int32Array(batchSize * blockSize);
  const targets = new Int32Array(batchSize * blockSize);
  readWindows(reader, starts, { inputs, targets, blockSize });
  return { inputs, targets, batchSize, blockSize };
}

/** Reads the window that starts at `starts[i]` into row `i` of `inputs` and `targets`, each [batch, block]. */
export function readWindows(
  reader: TokenReader,
  starts: ArrayLike<number>,
  { inputs, targets, blockSize }: Omit<Batch, 'batchSize'>,
): void {
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row] ?? 0;
    reader.read(start, blockSize, inputs, row * blockSize);
    readTargets(reader, start + 1, blockSize, targets, row * blockSize);
  }
}

/** Reads what is learned of tokens: -1 for those that the reader says no loss is taken of. */
export function readTargets(reader: TokenReader, at: number, count: number, into: Int32Array, offset: number): void {
  if (reader.readTargets === undefined) reader.read(at, count, into, offset);
  else reader.readTargets(at, count, into, offset);
}

/** How many windows stand side by side, each with the token after it. */
export function windowsIn(reader: TokenReader, blockSize: number): number {
  return Math.floor((reader.length - 1) / blockSize);
}

/** Uniformly random windows, or these rows of them. */
export function randomWindows(
  reader: TokenReader,
  random: RandomStream,
  { batchSize, blockSize }: BatchShape,
  { first, count }: Rows = { first: 0, count: batchSize },
): Batch {
  const starts = Array.from({ length: batchSize }, () => random.below(reader.length - blockSize));
  return windowsAt(reader, starts.slice(first, first + count), { batchSize: count, blockSize });
}

/** @throws UsageError when a split is too short for one window and the token after it */
export function refuseShort(reader: { readonly length: number }, split: string, blockSize: number): void {
  if (reader.length > blockSize) return;
  throw new UsageError(
    'ESP_DATA_SHORT',
    `the ${split} data has ${String(reader.length)} tokens: a block of ${String(blockSize)} needs at least ${String(blockSize + 1)}; give more text or a smaller model.block_size`,
  );
}

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
   * @param options.depth batches ahead
   * @param options.opener module with which the worker opens the reader's tokens
   */
  constructor(
    private readonly reader: TokenReader,
    shape: BatchShape,
    { depth, opener }: { readonly depth: number; readonly opener: string },
    private readonly next: () => number[],
  ) {
    this.#ring = makeRing(reader.share(), shape, depth);
    const workerData: PrefetchSetup = { ...this.#ring, opener };
    this.#worker = new Worker(new URL('./prefetch-worker.js', import.meta.url), { workerData });
    // Batches that it does not deliver are read here.
    this.#worker.on('error', () => undefined);
    this.#worker.unref();
    this.#askAhead();
  }

  take(): Batch {
    const starts = this.#asked.shift();
    if (starts === undefined) throw new Error('nothing was asked for');
    const batch = this.#filled() ?? windowsAt(this.reader, starts, this.#ring.shape);
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

/** States of a slot of the ring, in order. */
export const Slot = { empty: 0, asked: 1, reading: 2, ready: 3, failed: 4 } as const;

/** What the worker starts with: a ring of slots in shared memory, each for one batch. */
export interface Ring {
  readonly source: SharedTokens;
  readonly shape: BatchShape;
  readonly depth: number;
  /** State of each slot, and behind them a bell that rings when a batch is asked for. */
  readonly flags: Int32Array;
  /** [depth, batch]: where the windows of each slot start. */
  readonly starts: Float64Array;
  /** [depth, 2, batch, block]: inputs, then targets. */
  readonly tokens: Int32Array;
}

export interface PrefetchSetup extends Ring {
  /** Module that opens `source`. */
  readonly opener: string;
}

function makeRing(source: SharedTokens, shape: BatchShape, depth: number): Ring {
  const { batchSize, blockSize } = shape;
  return {
    source,
    shape,
    depth,
    flags: new Int32Array(new SharedArrayBuffer(4 * (depth + 1))),
    starts: new Float64Array(new SharedArrayBuffer(8 * depth * batchSize)),
    tokens: new Int32Array(new SharedArrayBuffer(8 * depth * batchSize * blockSize)),
  };
}
