import { tf, type Registration, type Spy } from '../../../core/index.js';

/** Iterations per block: the lowest number of live tensors in a block is compared with the previous block's. */
const BLOCK = 10;
/** Rising blocks in a row that count as a leak. Evaluations and a growing model add tensors, but only once. */
const BLOCKS = 5;

/**
 * Finds leaked tensors and the listeners that create them, by counting live tensors before and after each call.
 */
export class TensorGrowth implements Spy {
  /** For each call in progress: live tensors before it, and those that nested calls have created. */
  readonly #calls: { alive: number; inner: number }[] = [];
  /** Tensors created minus disposed by each listener since the number began to rise. */
  readonly #made = new Map<string, number>();
  #lowest = Infinity;
  #previous = Infinity;
  #iterations = 0;
  #rises = 0;
  #start = { tensors: 0, bytes: 0 };
  #reported = false;

  before(): void {
    this.#calls.push({ alive: alive(), inner: 0 });
  }

  after({ plugin, event }: Registration): void {
    const call = this.#calls.pop();
    if (call === undefined) return;
    const made = alive() - call.alive;
    const outer = this.#calls.at(-1);
    if (outer !== undefined) outer.inner += made;
    const listener = `${plugin} at ${event}`;
    this.#made.set(listener, (this.#made.get(listener) ?? 0) + made - call.inner);
  }

  /** Call it after every iteration. @returns a warning, at most once per run */
  look(): string | undefined {
    if (this.#reported) return undefined;
    this.#lowest = Math.min(this.#lowest, alive());
    if (++this.#iterations % BLOCK !== 0) return undefined;
    const rises = this.#lowest > this.#previous;
    this.#previous = this.#lowest;
    this.#lowest = Infinity;
    if (!rises) {
      this.#rises = 0;
      this.#made.clear();
      this.#start = { tensors: this.#previous, bytes: bytes() };
      return undefined;
    }
    if (++this.#rises < BLOCKS) return undefined;
    this.#reported = true;
    return this.#report();
  }

  #report(): string {
    const iterations = BLOCK * BLOCKS;
    const megabytes = ((bytes() - this.#start.bytes) / 1e6).toFixed(1);
    const more = (alive() - this.#start.tensors).toLocaleString('en-US');
    const makers = [...this.#made].filter(([, made]) => made >= BLOCKS).sort(([, a], [, b]) => b - a);
    const by =
      makers.length === 0
        ? 'not created by a listener of a plugin: check the model and the optimizer'
        : `created by plugin ${makers.map(([listener, made]) => `${listener} (${made.toLocaleString('en-US')})`).join(', ')}: dispose tensors that a listener replaces or no longer needs`;
    return `${more} more tensors are alive than ${String(iterations)} iterations ago (${megabytes} MB), ${by}`;
  }
}

function alive(): number {
  return tf.engine().state.numTensors;
}

function bytes(): number {
  return tf.engine().state.numBytes;
}
