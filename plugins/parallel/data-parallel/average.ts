import { bytesOf, packed, type Packed, type Wire } from './wire.js';

/** A collective operation in progress. */
export interface Pending {
  /** Blocks until it is done. */
  wait(): void;
  /** Resolves when it is done; the event loop runs meanwhile. */
  done(): Promise<void>;
}

/** Collective operations between ranks, implemented by `Mpi`. Every rank makes the same calls in the same order. */
export interface Messages {
  /** Sends part r of `parts` to rank r, and receives part r of `into` from rank r. */
  alltoall(parts: Uint8Array, into: Uint8Array): Pending;
  /** Receives every rank's `mine` in `into`, in rank order. */
  allgather(mine: Uint8Array, into: Uint8Array): Pending;
  /** Advances operations in progress. */
  progress(): void;
}

export interface AverageOptions {
  readonly size: number;
  readonly wire: Wire;
  readonly bucketBytes: number;
  /** Maximum number of buckets being sent, and being returned; default: as many as fit in 16 MB. */
  readonly depth?: number;
}

/** A rank's values and the array for their mean, of equal length; both may be the same array. */
export interface Share {
  readonly values: Float32Array;
  readonly into: Float32Array;
}

/** Numbers summed at a time, few enough to stay in the cache. */
const BLOCK = 4096;
const UNDER_WAY_BYTES = 16e6;

/**
 * Averages arrays over ranks; every rank has one of each. Arrays are added one by one, and are sent while others are
 * still being computed.
 *
 * Each bucket takes a reduce-scatter and an allgather, as in a ring all-reduce: every rank receives one part of the
 * bucket from all others, sums it, and sends the mean to all. A part is summed by one rank, in rank order and in 64
 * bits, so that all ranks have the same bits whatever the MPI library, its algorithms, the network and the order of the
 * arrays. (`MPI_Allreduce` promises neither.) Each rank sends and receives 2 (N - 1) / N of the bytes, the minimum.
 */
export class Averager {
  /** Numbers in a full bucket. */
  readonly #capacity: number;
  readonly #depth: number;
  readonly #free: Room[] = [];
  readonly #buckets: Bucket[] = [];
  #filling: Bucket | undefined;

  constructor(
    private readonly messages: Messages,
    private readonly options: AverageOptions,
  ) {
    const { size, wire, bucketBytes } = options;
    this.#capacity = size * Math.max(1, Math.ceil(bucketBytes / bytesOf[wire] / size));
    this.#depth = options.depth ?? Math.max(2, Math.floor(UNDER_WAY_BYTES / bucketBytes));
  }

  /** Starts averaging an array, of equal length on every rank; the mean is complete after `average`. */
  add(share: Share): void {
    if (this.#buckets.length > 0) this.messages.progress();
    for (const pending of this.#adding(share)) pending.wait();
  }

  /** Adds these arrays too, and completes the means of all. */
  async average(shares: readonly Share[]): Promise<void> {
    for (const share of shares) for (const pending of this.#adding(share)) await pending.done();
    if (this.#filling !== undefined) this.#send(this.#filling);
    const buckets = this.#buckets.splice(0);
    for (const bucket of buckets.filter(({ stage }) => stage === 'out')) {
      await bucket.pending?.done();
      this.#sum(bucket);
    }
    for (const bucket of buckets.filter(({ stage }) => stage === 'back')) {
      await bucket.pending?.done();
      this.#unpack(bucket);
    }
  }

  /**
   * Yields operations to wait for: how many are in progress depends only on the arrays, so it is the same on every
   * rank.
   */
  *#adding({ values, into }: Share): Generator<Pending> {
    for (let from = 0; from < values.length;) {
      const bucket = (this.#filling ??= this.#opened());
      const to = from + this.#capacity - bucket.filled;
      bucket.room.sent.set(values.subarray(from, to), bucket.filled);
      const piece = into.subarray(from, to);
      bucket.pieces.push({ into: piece, at: bucket.filled });
      bucket.filled += piece.length;
      from += piece.length;
      if (bucket.filled === this.#capacity) yield* this.#sending(bucket);
    }
  }

  *#sending(bucket: Bucket): Generator<Pending> {
    this.#send(bucket);
    const out = this.#buckets.at(-1 - this.#depth);
    if (out?.pending !== undefined) {
      yield out.pending;
      this.#sum(out);
    }
    const back = this.#buckets.at(-1 - 2 * this.#depth);
    if (back?.pending !== undefined) {
      yield back.pending;
      this.#unpack(back);
    }
  }

  #opened(): Bucket {
    const room = this.#free.pop() ?? roomOf(this.options.wire, this.#capacity, this.options.size);
    return { room, pieces: [], filled: 0, stage: 'out', pending: undefined };
  }

  #send(bucket: Bucket): void {
    this.#filling = undefined;
    this.#buckets.push(bucket);
    const bytes = this.#partOf(bucket) * this.options.size * bytesOf[this.options.wire];
    const { sent, parts } = bucket.room;
    bucket.pending = this.messages.alltoall(sent.bytes.subarray(0, bytes), parts.bytes.subarray(0, bytes));
  }

  /** Sums this rank's part and sends the mean to all. */
  #sum(bucket: Bucket): void {
    const { size, wire } = this.options;
    const { sent, parts, mean } = bucket.room;
    const part = this.#partOf(bucket);
    const sums = new Float64Array(BLOCK);
    const means = new Float32Array(BLOCK);
    for (let at = 0; at < part; at += BLOCK) {
      const count = Math.min(BLOCK, part - at);
      sums.fill(0);
      for (let rank = 0; rank < size; rank++) parts.addTo(sums, rank * part + at, count);
      for (let i = 0; i < count; i++) means[i] = (sums[i] ?? 0) / size;
      mean.set(means.subarray(0, count), at);
    }
    const bytes = part * bytesOf[wire];
    bucket.stage = 'back';
    // The sent data has arrived, so its memory can receive the means.
    bucket.pending = this.messages.allgather(mean.bytes.subarray(0, bytes), sent.bytes.subarray(0, bytes * size));
  }

  /** Copies the means to their arrays. */
  #unpack(bucket: Bucket): void {
    for (const { into, at } of bucket.pieces) bucket.room.sent.copyTo(into, at);
    bucket.stage = 'there';
    bucket.pending = undefined;
    this.#free.push(bucket.room);
  }

  /** Numbers of a bucket that each rank sums. */
  #partOf({ filled }: Bucket): number {
    return Math.ceil(filled / this.options.size);
  }
}

interface Room {
  /** [size, part], sent to and received from all ranks. */
  readonly sent: Packed;
  readonly parts: Packed;
  /** [part] */
  readonly mean: Packed;
}

interface Bucket {
  readonly room: Room;
  /** The arrays in the bucket, with their offsets. */
  readonly pieces: { readonly into: Float32Array; readonly at: number }[];
  /** Numbers in the bucket. */
  filled: number;
  stage: 'out' | 'back' | 'there';
  pending: Pending | undefined;
}

function roomOf(wire: Wire, capacity: number, size: number): Room {
  return { sent: packed(wire, capacity), parts: packed(wire, capacity), mean: packed(wire, capacity / size) };
}
