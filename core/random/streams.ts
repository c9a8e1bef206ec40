import { counterOf, philox } from './philox.js';

const FLOAT_UNIT = 2 ** -32;
export const WORDS_OF_A_NORMAL = 2;

/** The position of a stream: its key, its lane, and the number of words drawn. */
export interface StreamPlace {
  readonly key: readonly [number, number];
  readonly lane: readonly [number, number];
  readonly counter: number;
}

/** A sequence of random numbers whose entire state is one counter. */
export class RandomStream {
  readonly #words = new Uint32Array(4);
  /** The block that is in `#words`. */
  #block = -1;

  /** @param counter numbers drawn so far */
  constructor(
    private readonly key: readonly [number, number],
    private readonly lane: readonly [number, number] = [0, 0],
    public counter = 0,
  ) {}

  /** Returns a uniform integer in 0 … 2³² - 1. */
  uint32(): number {
    const block = Math.floor(this.counter / 4);
    if (block !== this.#block) {
      philox(this.key, counterOf(block, this.lane), this.#words);
      this.#block = block;
    }
    return this.#words[this.counter++ % 4] ?? 0;
  }

  /** Returns a uniform number in [0, 1). */
  float(): number {
    return this.uint32() * FLOAT_UNIT;
  }

  /** Returns a uniform integer in 0 … below - 1, without bias (`below` up to 2⁵³). */
  below(below: number): number {
    const span = 2 ** 53;
    const limit = span - (span % below);
    for (;;) {
      const high = this.uint32() >>> 11;
      const value = high * 2 ** 32 + this.uint32();
      if (value < limit) return value % below;
    }
  }

  /** Returns a standard normal number (Box-Muller, two uniforms each, so that the counter is the whole state). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 0.5) * FLOAT_UNIT));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /** Skips the next `count` normal numbers. @returns a stream of the skipped numbers */
  skipNormals(count: number): RandomStream {
    return this.#skip(WORDS_OF_A_NORMAL * count);
  }

  /** Skips the next `count` uniform numbers. @returns a stream of the skipped numbers */
  skipFloats(count: number): RandomStream {
    return this.#skip(count);
  }

  /** The position, for a thread that draws the same numbers. */
  get place(): StreamPlace {
    return { key: this.key, lane: this.lane, counter: this.counter };
  }

  #skip(words: number): RandomStream {
    const skipped = new RandomStream(this.key, this.lane, this.counter);
    this.counter += words;
    return skipped;
  }
}

/**
 * Every random number of a run: named streams, all derived from the run's seed.
 * A stream's numbers do not change when another stream is added or drawn from.
 */
export class RandomStreams {
  readonly #streams = new Map<string, RandomStream>();
  /** Cached, since hashing a name takes longer than drawing a number. */
  readonly #keys = new Map<string, readonly [number, number]>();

  constructor(readonly seed: number) {}

  /** Returns the stream of that name at its current position, which checkpoints save. */
  stream(name: string): RandomStream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new RandomStream(this.#key(name));
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /**
   * Returns a fresh stream for one place in a run (an iteration, a micro-batch): there is nothing to save or restore.
   */
  at(name: string, index: number, part = 0): RandomStream {
    return new RandomStream(this.#key(name), [index >>> 0, (part + 1) >>> 0]);
  }

  /** Returns a fresh stream for one place in a sequence that may be longer than 2³² (the windows of a run). */
  place(name: string, index: number): RandomStream {
    return this.at(name, index % 2 ** 32, Math.floor(index / 2 ** 32));
  }

  /** Returns how many numbers each stream has drawn. */
  state(): Record<string, number> {
    return Object.fromEntries([...this.#streams].map(([name, stream]) => [name, stream.counter]));
  }

  /** Sets every stream's position; streams missing from the state start at 0. */
  restore(state: Record<string, number>): void {
    for (const stream of this.#streams.values()) stream.counter = 0;
    for (const [name, counter] of Object.entries(state)) this.stream(name).counter = counter;
  }

  #key(name: string): readonly [number, number] {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = [(this.seed ^ hash(name)) >>> 0, hash(`${name}/${Math.floor(this.seed / 2 ** 32)}`)] as const;
    this.#keys.set(name, key);
    return key;
  }
}

/** FNV-1a over UTF-16 units. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
