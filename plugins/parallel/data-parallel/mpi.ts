import { takeCoverage } from 'node:v8';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import koffi, { type LibraryHandle } from 'koffi';
import { EspalierError, UsageError } from '../../../core/index.js';
import type { Messages, Pending } from './average.js';
import type { Launch } from './launch.js';
import type { Abi, Library } from './library.js';

/** Values that differ between binary interfaces. */
interface Constants {
  readonly world: number | bigint;
  readonly byte: number | bigint;
  /** Thread level at which only one thread calls MPI. */
  readonly funneled: number;
}

type Call<Args extends unknown[]> = (...args: Args) => number;

const NULL = 0;
const PROBE = ['int', 'int', 'intptr_t', 'void *', 'void *'];
const COLLECTIVE = ['void *', 'int', 'intptr_t', 'void *', 'int', 'intptr_t', 'intptr_t'];
/** After this time it polls less often, because another rank may need the core. */
const AWAKE_MS = 20;
const NAP_MS = 1;
/** Large enough for the `MPI_Status` of any library. */
const STATUS_BYTES = 64;

/**
 * A process of an MPI job. Messages are bytes, and every rank sends the same ones in the same order. Only the event
 * loop's thread calls MPI: a waiting operation is polled between turns of the loop, with sleeps in between if it takes
 * long. (A waiting thread would take the core that another rank computes on.)
 */
export class Mpi implements Messages {
  readonly description: string;
  readonly #library: LibraryHandle;
  readonly #abi: Abi;
  readonly #constants: Constants;
  readonly #rank: number;
  readonly #size: number;
  readonly #flag = cell();
  readonly #status = new Uint8Array(new ArrayBuffer(STATUS_BYTES));
  readonly #functions = new Map<string, Call<unknown[]>>();

  /**
   * Joins the job once all its processes have started. @throws UsageError if the library sees another job than `launch`
   */
  constructor({ handle, abi, description }: Library, launch: Launch) {
    this.#library = handle;
    this.#abi = abi;
    this.description = description;
    this.#constants = constantsOf(abi, handle);
    const { funneled } = this.#constants;
    this.#call('MPI_Init_thread', ['intptr_t', 'intptr_t', 'int', 'void *'], NULL, NULL, funneled, cell());
    this.#rank = this.#ofWorld('MPI_Comm_rank');
    this.#size = this.#ofWorld('MPI_Comm_size');
    if (this.#size === launch.size && this.#rank === launch.rank) return;
    throw new UsageError(
      'ESP_MPI_MISMATCH',
      `data-parallel: ${launch.launcher} started this process as rank ${String(launch.rank)} of ${String(launch.size)}, but ${description} says that it is rank ${String(this.#rank)} of ${String(this.#size)}: start with the mpirun of that library, or give the launcher's library with --set plugins.data-parallel.library=PATH`,
    );
  }

  /** @param mine of equal length on every rank @param into `size` times as long */
  allgather(mine: Uint8Array, into: Uint8Array): Pending {
    return this.#started('MPI_Iallgather', mine, mine.length, into);
  }

  /** @param parts `size` parts of equal length */
  alltoall(parts: Uint8Array, into: Uint8Array): Pending {
    return this.#started('MPI_Ialltoall', parts, parts.length / this.#size, into);
  }

  /** Libraries without a progress thread advance messages only while they are called. */
  progress(): void {
    const { world } = this.#constants;
    this.#call('MPI_Iprobe', PROBE, this.#rank, 0, world, this.#flag, this.#status);
  }

  /**
   * Leaves the job together with all ranks; for a process that is about to end. Under Open MPI it ends the process
   * here: if its threads ended one by one, those that called MPI would free memory twice (4.1.4 over TCP: a
   * segmentation fault).
   */
  leave(exitCode: number): void {
    this.#call('MPI_Finalize', []);
    if (this.#abi !== 'openmpi') return;
    // Writes coverage data, which would be lost; does nothing unless coverage is enabled.
    takeCoverage();
    const exit: (code: number) => void = koffi.load(null).func('_exit', 'void', ['int']);
    exit(exitCode);
  }

  /** Ends every process of the job, including this one. */
  abort(exitCode: number): void {
    this.#call('MPI_Abort', ['intptr_t', 'int'], this.#constants.world, exitCode);
  }

  #started(name: string, from: Uint8Array, count: number, into: Uint8Array): Pending {
    const { world, byte } = this.#constants;
    const request = new BigInt64Array(new ArrayBuffer(8));
    this.#call(name, [...COLLECTIVE, 'void *'], from, count, byte, into, count, byte, world, request);
    // MPI uses the buffers until the operation is done, so the closure keeps them alive.
    const held = [from, into];
    return {
      wait: () => {
        this.#call('MPI_Wait', ['void *', 'void *'], request, this.#status);
        held.length = 0;
      },
      done: async () => {
        const since = performance.now();
        for (;;) {
          this.#call('MPI_Test', ['void *', 'void *', 'void *'], request, this.#flag, this.#status);
          if (this.#flag[0] !== 0) break;
          await (performance.now() - since < AWAKE_MS ? nextTurn() : pause(NAP_MS));
        }
        held.length = 0;
      },
    };
  }

  #call(name: string, types: readonly string[], ...args: unknown[]): void {
    const call: Call<unknown[]> = this.#functions.get(name) ?? this.#library.func(name, 'int', [...types]);
    this.#functions.set(name, call);
    const code = call(...args);
    if (code !== 0) throw new EspalierError('ESP_MPI', `${name} failed with MPI error ${String(code)}`);
  }

  /** Queries a number of the communicator of all ranks. */
  #ofWorld(name: 'MPI_Comm_rank' | 'MPI_Comm_size'): number {
    const answer = cell();
    this.#call(name, ['intptr_t', 'void *'], this.#constants.world, answer);
    return answer[0] ?? 0;
  }
}

/** From `mpi.h` of Open MPI, MPICH and the standard (chapter 20 of MPI 5.0). */
function constantsOf(abi: Abi, handle: LibraryHandle): Constants {
  if (abi === 'mpich') return { world: 0x44000000, byte: 0x4c00010d, funneled: 1 };
  if (abi === 'mpi5') return { world: 0x101, byte: 0x247, funneled: 1024 };
  const address = (symbol: string): bigint => {
    const found: unknown = handle.symbol(symbol);
    if (typeof found === 'bigint') return found;
    throw new UsageError('ESP_MPI_LIBRARY', `data-parallel: the MPI library has no ${symbol}`);
  };
  return { world: address('ompi_mpi_comm_world'), byte: address('ompi_mpi_byte'), funneled: 1 };
}

/** Memory for an int that MPI writes. It has a buffer of its own, which the garbage collector does not move. */
function cell(): Int32Array {
  return new Int32Array(new ArrayBuffer(4));
}
