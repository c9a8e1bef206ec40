import { takeCoverage } from 'node:v8';
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi';
import { EspalierError, messageOf, UsageError } from '../../core/index.js';
import type { Messages, Pending } from './average.js';
import type { Launch } from './launch.js';
import type { Abi, Library } from './library.js';

/** What every binary interface has its own values of. */
interface Constants {
  readonly world: number | bigint;
  readonly byte: number | bigint;
  /** Levels of threads. */
  readonly serialized: number;
  readonly multiple: number;
}

type Call<Args extends unknown[]> = (...args: Args) => number;

const NULL = 0;
const COLLECTIVE = ['void *', 'int', 'intptr_t', 'void *', 'int', 'intptr_t', 'intptr_t'];
/** Room for an `MPI_Status` of any of the libraries. */
const STATUS_BYTES = 64;

/**
 * One process among those of an MPI job. Messages are bytes, and every rank sends the same ones in the same order. What
 * waits runs in a thread beside the event loop, one call after the other: MPI is called from one thread at a time.
 */
export class Mpi implements Messages {
  readonly description: string;
  readonly #library: LibraryHandle;
  readonly #abi: Abi;
  readonly #constants: Constants;
  readonly #rank: number;
  readonly #size: number;
  /** The call before that waits. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  readonly #functions = new Map<string, KoffiFunc<Call<unknown[]>>>();

  /** Joins the job, when all its processes have come. @throws UsageError when the library sees another job than `launch` */
  constructor({ handle, abi, description }: Library, launch: Launch) {
    this.#library = handle;
    this.#abi = abi;
    this.description = description;
    this.#constants = constantsOf(abi, handle);
    const provided = cell();
    const init: Call<[number, number, number, Int32Array]> = handle.func('MPI_Init_thread', 'int', [
      'intptr_t',
      'intptr_t',
      'int',
      'void *',
    ]);
    check('MPI_Init_thread', init(NULL, NULL, this.#constants.multiple, provided));
    if ((provided[0] ?? 0) < this.#constants.serialized) {
      throw new UsageError(
        'ESP_MPI_LIBRARY',
        `data-parallel: ${description} was built without threads, which keep the event loop free while ranks wait: install one with MPI_THREAD_SERIALIZED`,
      );
    }
    this.#rank = this.#ofWorld('MPI_Comm_rank');
    this.#size = this.#ofWorld('MPI_Comm_size');
    if (this.#size === launch.size && this.#rank === launch.rank) return;
    throw new UsageError(
      'ESP_MPI_MISMATCH',
      `data-parallel: ${launch.launcher} started this process as rank ${String(launch.rank)} of ${String(launch.size)}, and for ${description} it is rank ${String(this.#rank)} of ${String(this.#size)}: start with the mpirun of that library, or name the launcher's library with --set plugins.data-parallel.library=PATH`,
    );
  }

  /** What every rank gives, in the order of ranks; calls wait for those before. */
  gather(mine: Uint8Array, into: Uint8Array): Promise<void> {
    const { world, byte } = this.#constants;
    return this.#beside('MPI_Allgather', COLLECTIVE, mine, mine.length, byte, into, mine.length, byte, world);
  }

  /** @param mine as long on every rank @param into `size` times as long */
  allgather(mine: Uint8Array, into: Uint8Array): Pending {
    return this.#started('MPI_Iallgather', mine, mine.length, into);
  }

  /** @param parts `size` parts of one length */
  alltoall(parts: Uint8Array, into: Uint8Array): Pending {
    return this.#started('MPI_Ialltoall', parts, parts.length / this.#size, into);
  }

  /** Libraries without a thread of their own move messages on only while they are called. */
  progress(): void {
    const { world } = this.#constants;
    this.#call('MPI_Iprobe', ['int', 'int', 'intptr_t', 'void *', 'void *'], this.#rank, 0, world, cell(), status());
  }

  /**
   * Leaves when every rank does; for a process that is about to end. Under Open MPI it ends here: were its threads to
   * end one by one, those that called MPI would free what it has freed (4.1.4 over TCP: a segmentation fault).
   */
  leave(exitCode: number): void {
    const finalize: Call<[]> = this.#library.func('MPI_Finalize', 'int', []);
    check('MPI_Finalize', finalize());
    if (this.#abi !== 'openmpi') return;
    // What else would be lost; it does nothing where no coverage is asked for.
    takeCoverage();
    const exit: (code: number) => void = koffi.load(null).func('_exit', 'void', ['int']);
    exit(exitCode);
  }

  /** Ends every process of the job, this one too. */
  abort(exitCode: number): void {
    const abort: Call<[number | bigint, number]> = this.#library.func('MPI_Abort', 'int', ['intptr_t', 'int']);
    abort(this.#constants.world, exitCode);
  }

  #started(name: string, from: Uint8Array, count: number, into: Uint8Array): Pending {
    const { world, byte } = this.#constants;
    const request = new BigInt64Array(new ArrayBuffer(8));
    this.#call(name, [...COLLECTIVE, 'void *'], from, count, byte, into, count, byte, world, request);
    // The buffers are MPI's until then: what waits for them holds them.
    const held = [from, into];
    return {
      wait: () => {
        this.#call('MPI_Wait', ['void *', 'void *'], request, status());
        held.length = 0;
      },
      done: async () => {
        await this.#beside('MPI_Wait', ['void *', 'void *'], request, status());
        held.length = 0;
      },
    };
  }

  /** Calls MPI at once. */
  #call(name: string, types: readonly string[], ...args: unknown[]): void {
    if (this.#waiting > 0) throw new Error(`${name} is called while another call to MPI waits`);
    check(name, this.#function(name, types)(...args));
  }

  /** Calls MPI in a thread beside the event loop. */
  #beside(name: string, types: readonly string[], ...args: unknown[]): Promise<void> {
    const call = this.#function(name, types);
    this.#waiting++;
    const done = this.#last
      .then(
        () =>
          new Promise<void>((resolve, reject) => {
            call.async(...args, (error: unknown, code: number) => {
              try {
                if (error !== null) throw new EspalierError('ESP_MPI', `${name}: ${messageOf(error)}`);
                check(name, code);
                resolve();
              } catch (thrown) {
                reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
              }
            });
          }),
      )
      .finally(() => this.#waiting--);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #function(name: string, types: readonly string[]): KoffiFunc<Call<unknown[]>> {
    const known = this.#functions.get(name) ?? this.#library.func(name, 'int', [...types]);
    this.#functions.set(name, known);
    return known;
  }

  /** A number that MPI has of the world of all ranks. */
  #ofWorld(name: 'MPI_Comm_rank' | 'MPI_Comm_size'): number {
    const ask: Call<[number | bigint, Int32Array]> = this.#library.func(name, 'int', ['intptr_t', 'void *']);
    const answer = cell();
    check(name, ask(this.#constants.world, answer));
    return answer[0] ?? 0;
  }
}

/** From Open MPI's, MPICH's and the standard's (chapter 20 of MPI 5.0) `mpi.h`. */
function constantsOf(abi: Abi, handle: LibraryHandle): Constants {
  if (abi === 'mpich') return { world: 0x44000000, byte: 0x4c00010d, serialized: 2, multiple: 3 };
  if (abi === 'mpi5') return { world: 0x101, byte: 0x247, serialized: 2048, multiple: 4096 };
  const address = (symbol: string): bigint => {
    const found: unknown = handle.symbol(symbol);
    if (typeof found === 'bigint') return found;
    throw new UsageError('ESP_MPI_LIBRARY', `data-parallel: the MPI library has no ${symbol}`);
  };
  return { world: address('ompi_mpi_comm_world'), byte: address('ompi_mpi_byte'), serialized: 2, multiple: 3 };
}

/** Where MPI writes an int. Its memory is its own: the collector does not move it. */
function cell(): Int32Array {
  return new Int32Array(new ArrayBuffer(4));
}

/** Where MPI writes what it has to say of a message. */
function status(): Uint8Array {
  return new Uint8Array(new ArrayBuffer(STATUS_BYTES));
}

function check(name: string, code: number): void {
  if (code !== 0) throw new EspalierError('ESP_MPI', `${name} failed with MPI error ${String(code)}`);
}
