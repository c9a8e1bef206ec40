import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RandomStream, StreamPlace } from '../../../core/random/index.js';
import { fillNormals, placeAfter } from './normals.js';
import { Control, drawPieces, NOTHING, PIECE, PIECES, type DrawingMemory } from './normal-pieces.js';

/** Count of numbers from which starting threads is worth it. */
const WORTH_THREADS = 1 << 21;
const MOST_THREADS = 8;

/**
 * Draws many normal numbers, on several threads if there are enough. The numbers are those that the stream returns one
 * by one, whatever the number of threads.
 */
export class NormalDrawing {
  readonly #memory: DrawingMemory | undefined;

  /**
   * @param numbers how many will be drawn in total
   * @param threads including the caller's
   */
  constructor(numbers: number, threads = Math.min(availableParallelism(), MOST_THREADS)) {
    if (numbers < WORTH_THREADS || threads < 2) return;
    this.#memory = {
      control: new Int32Array(new SharedArrayBuffer(4 * Object.keys(Control).length)),
      what: new Float64Array(new SharedArrayBuffer(8 * 7)),
      values: new Float32Array(new SharedArrayBuffer(4 * PIECES * PIECE)),
    };
    for (let thread = 1; thread < threads; thread++) {
      new Worker(new URL('./normals-worker.js', import.meta.url), { workerData: this.#memory }).unref();
    }
  }

  /** Fills `values` with `deviation · stream.normal()`. */
  fill(values: Float32Array, stream: RandomStream, deviation: number): void {
    const { place } = stream.skipNormals(values.length);
    if (this.#memory === undefined || values.length <= PIECE) {
      fillNormals(values, place, deviation);
      return;
    }
    const most = PIECES * PIECE;
    for (let first = 0; first < values.length; first += most) {
      const part = values.subarray(first, first + most);
      part.set(this.#round(this.#memory, placeAfter(place, first), part.length, deviation));
    }
  }

  /** Ends the threads. */
  end(): void {
    if (this.#memory === undefined) return;
    const { control } = this.#memory;
    Atomics.store(control, Control.ended, 1);
    Atomics.add(control, Control.round, 1);
    Atomics.notify(control, Control.round);
  }

  #round(memory: DrawingMemory, { key, lane, counter }: StreamPlace, count: number, deviation: number): Float32Array {
    const { control, what, values } = memory;
    const pieces = Math.ceil(count / PIECE);
    what.set([...key, ...lane, counter, count, deviation]);
    Atomics.store(control, Control.pieces, pieces);
    Atomics.store(control, Control.done, 0);
    // Last: a thread that takes a piece must find the data above.
    Atomics.store(control, Control.next, 0);
    Atomics.add(control, Control.round, 1);
    Atomics.notify(control, Control.round);
    drawPieces(memory);
    for (;;) {
      const done = Atomics.load(control, Control.done);
      if (done === pieces) break;
      Atomics.wait(control, Control.done, done);
    }
    // A late thread must not take a piece of the next round before that round's data is complete.
    Atomics.store(control, Control.next, NOTHING);
    return values.subarray(0, count);
  }
}
