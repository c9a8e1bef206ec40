import { inject, injectable, PluginConfig, type Ranks } from '../../../core/index.js';
import { launchOf, type Launch } from './launch.js';
import { loadLibrary } from './library.js';
import { Mpi } from './mpi.js';
import type { Options } from './options.js';

/** Messages up to this size take one call, together with their length. */
const SLOT_BYTES = 256;
const LENGTH_BYTES = 4;

/** The ranks of this run and the communication between them. Known before anything is built; joined in `run:setup`. */
@injectable()
export class Connection implements Ranks {
  readonly launch: Launch = launchOf(process.env);
  readonly #library: string | undefined;
  #mpi: Mpi | undefined;
  /** True if no suitable MPI library was found. */
  #refused = false;
  #done = false;

  constructor(@inject(PluginConfig) { library }: Options) {
    this.#library = library;
    if (this.size > 1) process.on('exit', this.#leave);
  }

  get rank(): number {
    return this.launch.rank;
  }

  get size(): number {
    return this.launch.size;
  }

  get onThisMachine(): number {
    return this.launch.onThisMachine;
  }

  /** Waits for the other ranks. @throws UsageError if there is no MPI library that matches this process's launcher */
  join(): Mpi {
    try {
      this.#mpi ??= new Mpi(loadLibrary(this.launch, this.#library), this.launch);
      return this.#mpi;
    } catch (thrown) {
      this.#refused = true;
      throw thrown;
    }
  }

  get joined(): boolean {
    return this.#mpi !== undefined;
  }

  /** After this, a rank that ends does not end the others, whatever its exit code. */
  done(): void {
    this.#done = true;
  }

  /** Sums in rank order and in 64 bits, so that every rank gets the same result. */
  average(values: readonly number[]): readonly number[] | Promise<readonly number[]> {
    return this.size === 1 ? values : this.#averaged(values);
  }

  /** Collects a message from each rank, in rank order; every rank calls it at the same point of a run. */
  async gather(mine: Uint8Array): Promise<Uint8Array[]> {
    const mpi = this.join();
    const slot = new Uint8Array(new ArrayBuffer(SLOT_BYTES));
    new DataView(slot.buffer).setUint32(0, mine.length, true);
    slot.set(mine.subarray(0, SLOT_BYTES - LENGTH_BYTES), LENGTH_BYTES);
    const slots = new Uint8Array(new ArrayBuffer(SLOT_BYTES * this.size));
    await mpi.allgather(slot, slots).done();
    const view = new DataView(slots.buffer);
    const lengths = Array.from({ length: this.size }, (_, rank) => view.getUint32(rank * SLOT_BYTES, true));
    const longest = Math.max(...lengths);
    if (longest <= SLOT_BYTES - LENGTH_BYTES) return cut(slots, SLOT_BYTES, LENGTH_BYTES, lengths);
    const padded = new Uint8Array(new ArrayBuffer(longest));
    padded.set(mine);
    const all = new Uint8Array(new ArrayBuffer(longest * this.size));
    await mpi.allgather(padded, all).done();
    return cut(all, longest, 0, lengths);
  }

  /** Collects a text from each rank. */
  async gatherTexts(mine: string): Promise<string[]> {
    return (await this.gather(new TextEncoder().encode(mine))).map((bytes) => new TextDecoder().decode(bytes));
  }

  /**
   * Ends all ranks when this one fails, since the others would wait for it. A rank that fails before it has joined
   * joins first, because the launcher would otherwise take it for a program without MPI; Open MPI's does not need this.
   */
  readonly #leave = (exitCode: number): void => {
    if (this.#done || exitCode === 0) this.#mpi?.leave(exitCode);
    else if (this.#mpi !== undefined) this.#mpi.abort(exitCode);
    else if (!this.#refused && this.launch.family !== 'openmpi') this.join().abort(exitCode);
  };

  async #averaged(values: readonly number[]): Promise<number[]> {
    const parts = await this.gather(new Uint8Array(Float64Array.from(values).buffer));
    const numbers = parts.map((bytes) => new Float64Array(bytes.slice().buffer));
    return values.map((_, i) => numbers.reduce((sum, of) => sum + (of[i] ?? NaN), 0) / this.size);
  }
}

function cut(all: Uint8Array, stride: number, skip: number, lengths: readonly number[]): Uint8Array[] {
  return lengths.map((length, rank) => all.subarray(rank * stride + skip, rank * stride + skip + length));
}
