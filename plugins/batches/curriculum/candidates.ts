import type { TokenReader } from '../../../core/index.js';
import { Ranking } from './ranking.js';

/** Keeps the weight of a token that was never served finite. */
const NEVER = 1e-9;

/** A window that may be served. */
interface Candidate {
  readonly start: number;
  /** [block + 1] */
  readonly tokens: Uint16Array | Int32Array;
}

/** Returns the target distribution, (1 - alpha) · corpus + alpha · uniform, as shares. */
export function targetShares(corpus: readonly number[], alpha: number): Float64Array {
  const total = corpus.reduce((sum, count) => sum + count, 0);
  return Float64Array.from(corpus, (count) => (1 - alpha) * (count / total) + alpha / corpus.length);
}

/** The candidate windows of a run, ranked by how many tokens they hold that were served too rarely. */
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

  /** Adds `windows` adjacent windows as candidates. */
  add(start: number, windows: number): void {
    for (let i = 0; i < windows; i++) this.#pool.push(this.#read(start + i * this.blockSize));
  }

  /**
   * Removes and returns the best candidates, one at a time: each counts as served before the next is chosen. Among
   * equals the oldest wins. Scores only fall as more is served, so a candidate that is still first after its score was
   * computed again is the best. Source: Minoux, "Accelerated greedy algorithms for maximizing submodular set
   * functions", 1978.
   * @param kept number of other candidates to keep, best first; the rest make room for new ones
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

  /** Returns the sum over a candidate's input tokens of target share / times served. */
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
    // 16 bits per token if the ids fit: there are thousands of candidates.
    return { start, tokens: this.#target.length <= 2 ** 16 ? Uint16Array.from(tokens) : tokens };
  }
}
