import { bytesOf, packed, type Packed, type Wire } from './wire.js';

/** A message to all ranks and from all, under way. */
export interface Pending {
  /** Waits for it, and lets nothing else run. */
  wait(): void;
  /** Waits for it beside the event loop. */
  done(): Promise<void>;
}

/** What travels between ranks: `Mpi` has it. Every rank makes the same calls in the same order. */
export interface Messages {
  /** Part r of `parts` goes to rank r; part r of `into` comes from rank r. */
  alltoall(parts: Uint8Array, into: Uint8Array): Pending;
  /** `into` is what every rank gives, in the order of ranks. */
  allgather(mine: Uint8Array, into: Uint8Array): Pending;
  /** Moves on what is under way. */
  progress(): void;
}

export interface AverageOptions {
  readonly size: number;
  readonly wire: Wire;
  readonly bucketBytes: number;
  /** Buckets on their way out before the first is waited for, and as many on their way back; when not given, what 16 MB hold. */
  readonly depth?: number;
}

/** What a rank has, and where the mean goes, which is as long: it may be the same. */
export interface Share {
  readonly values: Float32Array;
  readonly into: Float32Array;
}

/** Numbers that are summed in one go: they stay in the cache. */
const BLOCK = 4096;
const UNDER_WAY_BYTES = 16e6;

/**
 * The mean over ranks of arrays that each rank has one of. Arrays are taken one by one and are in the air while others
 * are still computed.
 *
 * A reduce-scatter and an allgather, as in a ring all-reduce: every rank gets one part of each bucket from all others,
 * sums it, and sends the mean to all. A part is summed by one rank, over ranks in their order and in 64 bits: all
 * ranks have the same bits, whatever the MPI library, its algorithms, the network and the order of the arrays.
 * (`MPI_Allreduce` promises neither.) Each rank sends and receives 2 (N - 1) / N of the bytes, which is the least that
 * there can be.
 */
export class Averager {
  /** Numbers in a whole bucket. */
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

  /** Reads an array, as long on every rank, whose mean is there when `average` is done. */
  add(share: Share): void {
    if (this.#buckets.length > 0) this.messages.progress();
    for (const pending of this.#adding(share)) pending.wait();
  }

  /** Takes these arrays too, and finds the means of all. */
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

  /** Yields what has to be waited for: how much is under way hangs on the arrays alone, and is the same on every rank. */
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

  /** Sums this rank's part, and sends the mean to all. */
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
    // What was sent has arrived: its room is free for what comes back.
    bucket.pending = this.messages.allgather(mean.bytes.subarray(0, bytes), sent.bytes.subarray(0, bytes * size));
  }

  /** Puts the means where they belong. */
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
  /** [size, part], to all ranks and from all ranks. */
  readonly sent: Packed;
  readonly parts: Packed;
  /** [part] */
  readonly mean: Packed;
}

interface Bucket {
  readonly room: Room;
  /** Where pieces of it go, each with its place. */
  readonly pieces: { readonly into: Float32Array; readonly at: number }[];
  /** Numbers in it. */
  filled: number;
  stage: 'out' | 'back' | 'there';
  pending: Pending | undefined;
}

function roomOf(wire: Wire, capacity: number, size: number): Room {
  return { sent: packed(wire, capacity), parts: packed(wire, capacity), mean: packed(wire, capacity / size) };
}
