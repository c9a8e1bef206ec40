import { bytesOf, packed, type Packed, type Wire } from './wire.js';

/** What travels between ranks: `Mpi` has it. */
export interface Messages {
  alltoall(parts: Uint8Array, into: Uint8Array): Promise<void>;
  allgather(mine: Uint8Array, into: Uint8Array): Promise<void>;
}

export interface AverageOptions {
  readonly size: number;
  readonly wire: Wire;
  readonly bucketBytes: number;
}

/** Numbers that are summed in one go: they stay in the cache. */
const BLOCK = 4096;

/**
 * The mean over ranks of arrays that each rank has one of.
 *
 * A reduce-scatter and an allgather, as in a ring all-reduce: every rank gets one part of each bucket from all others,
 * sums it, and sends the mean to all. A part is summed by one rank, over ranks in their order and in 64 bits: all
 * ranks have the same bits, whatever the MPI library, its algorithms and the network. (`MPI_Allreduce` promises
 * neither.) Each rank sends and receives 2 (N - 1) / N of the bytes, which is the least that there can be.
 */
export class Averager {
  /** Two buckets' memory: one travels while the other is summed. */
  #rooms: readonly Room[] = [];

  constructor(
    private readonly messages: Messages,
    private readonly options: AverageOptions,
  ) {}

  /** Replaces the numbers of each array by their mean. @param arrays of the same lengths on every rank */
  async average(arrays: readonly Float32Array[]): Promise<void> {
    const buckets = this.#cut(arrays);
    // Every rank makes the same calls in the same order: out 0, out 1, back 0, out 2, back 1, …
    const out = (index: number): Promise<void> | undefined => {
      const bucket = buckets[index];
      if (bucket === undefined) return undefined;
      const { sent, parts } = bucket.room;
      for (const { values, at } of bucket.pieces) sent.set(values, at);
      return this.messages.alltoall(
        this.#bytes(sent, bucket.part * this.options.size),
        this.#bytes(parts, bucket.part * this.options.size),
      );
    };
    let going = out(0);
    let coming: Promise<void> | undefined;
    for (const [index, bucket] of buckets.entries()) {
      await going;
      // What it is packed into is free: the bucket before this one was summed, and its mean is elsewhere.
      going = out(index + 1);
      this.#sum(bucket);
      const back = this.#back(bucket);
      await coming;
      coming = back;
    }
    await coming;
  }

  /** Sends this rank's means, and puts those of all where they belong. */
  async #back({ room: { mean, all }, part, pieces }: Bucket): Promise<void> {
    await this.messages.allgather(this.#bytes(mean, part), this.#bytes(all, part * this.options.size));
    for (const { values, at } of pieces) all.copyTo(values, at);
  }

  #sum({ room: { parts, mean }, part }: Bucket): void {
    const { size } = this.options;
    const sums = new Float64Array(BLOCK);
    const means = new Float32Array(BLOCK);
    for (let at = 0; at < part; at += BLOCK) {
      const count = Math.min(BLOCK, part - at);
      sums.fill(0);
      for (let rank = 0; rank < size; rank++) parts.addTo(sums, rank * part + at, count);
      for (let i = 0; i < count; i++) means[i] = (sums[i] ?? 0) / size;
      mean.set(means.subarray(0, count), at);
    }
  }

  /** The arrays, one after the other, in buckets; the last may be smaller. */
  #cut(arrays: readonly Float32Array[]): Bucket[] {
    const { size, wire, bucketBytes } = this.options;
    const total = arrays.reduce((sum, { length }) => sum + length, 0);
    const most = Math.max(1, Math.ceil(Math.min(total, bucketBytes / bytesOf[wire]) / size));
    const length = most * size;
    if (this.#rooms[0]?.part !== most) this.#rooms = [roomOf(wire, most, size), roomOf(wire, most, size)];
    const buckets: Bucket[] = [];
    let start = 0;
    for (const array of arrays) {
      for (let from = 0; from < array.length;) {
        const index = Math.floor((start + from) / length);
        const at = start + from - index * length;
        const count = Math.min(array.length - from, length - at);
        const room = this.#rooms[index % this.#rooms.length];
        if (room === undefined) throw new Error('no room');
        const part = Math.ceil(Math.min(length, total - index * length) / size);
        (buckets[index] ??= { room, part, pieces: [] }).pieces.push({ values: array.subarray(from, from + count), at });
        from += count;
      }
      start += array.length;
    }
    return buckets;
  }

  #bytes({ bytes }: Packed, numbers: number): Uint8Array {
    return bytes.subarray(0, numbers * bytesOf[this.options.wire]);
  }
}

interface Room {
  /** Numbers of one rank's part. */
  readonly part: number;
  /** [size, part], to all ranks and from all ranks. */
  readonly sent: Packed;
  readonly parts: Packed;
  /** [part], and what comes back: [size, part]. */
  readonly mean: Packed;
  readonly all: Packed;
}

interface Bucket {
  readonly room: Room;
  /** Numbers that each rank sums. */
  readonly part: number;
  /** Pieces of the arrays, each with its place. */
  readonly pieces: { readonly values: Float32Array; readonly at: number }[];
}

function roomOf(wire: Wire, part: number, size: number): Room {
  const whole = part * size;
  return {
    part,
    sent: packed(wire, whole),
    parts: packed(wire, whole),
    mean: packed(wire, part),
    all: packed(wire, whole),
  };
}
