import type { TokenReader } from '../../../core/index.js';
import { Ranking } from './ranking.js';

/** Keeps a token that was never served from weighing infinitely much. */
const NEVER = 1e-9;

/** A window that may be served. */
interface Candidate {
  readonly start: number;
  /** [block + 1] */
  readonly tokens: Uint16Array | Int32Array;
}

/** (1 - alpha) · corpus + alpha · uniform, as shares. */
export function targetShares(corpus: readonly number[], alpha: number): Float64Array {
  const total = corpus.reduce((sum, count) => sum + count, 0);
  return Float64Array.from(corpus, (count) => (1 - alpha) * (count / total) + alpha / corpus.length);
}

/** The candidates of a run, ranked by how much they hold of what was served too little. */
export class Candidates {
  #pool: Candidate[];
  readonly #served: Float64Array;
  readonly #target: Float64Array;

  constructor(
    private readonly reader: TokenReader,
    private readonly blockSize: number,
    from: {
      readonly corpus: readonly number[];
      readonly alpha: number;
      readonly pool: readonly number[];
      readonly served: readonly number[];
      readonly queue: readonly number[];
    },
  ) {
    this.#target = targetShares(from.corpus, from.alpha);
    this.#served = Float64Array.from(from.served);
    this.#pool = from.pool.map((start) => this.#read(start));
    for (const start of from.queue) this.#count(this.#read(start));
  }

  get starts(): number[] {
    return this.#pool.map(({ start }) => start);
  }

  /** Takes in `windows` windows side by side. */
  add(start: number, windows: number): void {
    for (let i = 0; i < windows; i++) this.#pool.push(this.#read(start + i * this.blockSize));
  }

  /**
   * Takes the best out, one after the other, each counted as served before the next is chosen; of equal ones the older.
   * Scores only fall as more is served, so one that is the highest even after it was computed again is the best.
   * Source: Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
   * @param kept how many of the others stay, best first: what was served enough makes room for what is new
   */
  best(count: number, kept: number): Candidate[] {
    const weights = this.#target.map((share, id) => share / ((this.#served[id] ?? 0) + NEVER));
    const ranked = new Ranking(this.#pool.map((candidate) => this.#score(candidate, weights)));
    const chosen: Candidate[] = [];
    while (chosen.length < Math.min(count, this.#pool.length)) {
      const index = ranked.top();
      const candidate = this.#pool[index];
      if (candidate === undefined) break;
      if (ranked.lower(this.#score(candidate, weights))) continue;
      ranked.drop();
      chosen.push(candidate);
      this.#count(candidate);
      for (let i = 0; i < this.blockSize; i++) {
        const id = candidate.tokens[i] ?? 0;
        weights[id] = (this.#target[id] ?? 0) / ((this.#served[id] ?? 0) + NEVER);
      }
    }
    const left = ranked.rest().slice(0, kept);
    this.#pool = left.sort((a, b) => a - b).flatMap((index) => this.#pool[index] ?? []);
    return chosen;
  }

  /** Sum over its input tokens of target share / times served. */
  #score({ tokens }: Candidate, weights: Float64Array): number {
    let score = 0;
    for (let i = 0; i < this.blockSize; i++) score += weights[tokens[i] ?? 0] ?? 0;
    return score;
  }

  #count({ tokens }: Candidate): void {
    for (let i = 0; i < this.blockSize; i++) {
      const id = tokens[i] ?? 0;
      this.#served[id] = (this.#served[id] ?? 0) + 1;
    }
  }

  #read(start: number): Candidate {
    const tokens = new Int32Array(this.blockSize + 1);
    this.reader.read(start, tokens.length, tokens, 0);
    // Half the memory where ids allow it: there are thousands of candidates.
    return { start, tokens: this.#target.length <= 2 ** 16 ? Uint16Array.from(tokens) : tokens };
  }
}
