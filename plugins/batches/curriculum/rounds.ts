import { Worker } from 'node:worker_threads';
import { EspalierError, type RandomStreams, type TokenReader } from '../../../core/index.js';
import { openSharedModule } from '../../data/contract.js';
import type { Answer, Corpus, Question, Round, WorkerSetup } from './protocol.js';

/** Rounds to rank ahead of time. */
const AHEAD = 2;

/** Everything that determines what is served next. */
export interface RoundsState {
  readonly blockSize: number;
  readonly alpha: number;
  /** Chunks read as candidates so far. */
  readonly chunks: number;
  /** Start positions of the candidates that remain after this round. */
  readonly pool: readonly number[];
  /** Start positions of this round's windows that were not served yet, in order. */
  readonly queue: readonly number[];
}

/** What stays the same during the worker's lifetime. */
export interface RoundsSetup {
  readonly reader: TokenReader;
  readonly streams: RandomStreams;
  readonly blockSize: number;
  readonly vocabSize: number;
  /** Candidates to choose from. */
  readonly candidates: number;
  /** Windows in a round. */
  readonly round: number;
  /** Chunks to read for each round; a chunk has as many windows as a round. */
  readonly fresh: number;
  readonly sampleTokens: number;
  readonly cache: string | undefined;
  readonly onCorpus: (corpus: Corpus) => void;
}

/** A window to serve. */
export interface Window {
  readonly start: number;
  /** [block + 1]: its tokens and the one after. */
  readonly tokens: Int32Array;
}

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Serves windows in numbered rounds that a worker ranks ahead of time. A round's candidates depend on the seed, and
 * their ranking on what earlier rounds served, so the result does not depend on when the worker ranks them.
 */
export class Rounds {
  readonly #worker: Worker;
  #generation = 0;
  /** The state when the current round began, or as restored. */
  #state: RoundsState;
  /** Windows of `#state.queue` served since. */
  #taken = 0;
  /**
   * [queue, block + 1]: tokens of the round's windows; undefined for a restored round, whose tokens are read one by
   * one.
   */
  #tokens: Int32Array | undefined;
  /** Chunks requested so far, including those of rounds ahead. */
  #asked = 0;
  /** Rounds that have arrived. */
  readonly #ready: Round[] = [];
  #pending = 0;
  #waiting: Waiting<Round> | undefined;
  #failure: Error | undefined;
  #corpus: readonly number[] | undefined;
  #waitingForCorpus: Waiting<readonly number[]> | undefined;

  constructor(
    private readonly setup: RoundsSetup,
    state: RoundsState,
    served: readonly number[],
  ) {
    const { reader, blockSize, vocabSize, round, fresh, sampleTokens, cache } = setup;
    const workerData: WorkerSetup = {
      opener: openSharedModule,
      source: reader.share(),
      id: reader.id,
      vocabSize,
      blockSize,
      round,
      kept: Math.max(0, setup.candidates - fresh * round),
      sampleTokens,
      cache,
    };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (answer: Answer) => {
      this.#hear(answer);
    });
    this.#worker.on('error', (error) => {
      this.#fail(error.message);
    });
    this.#worker.unref();
    this.#state = state;
    this.begin(state, served);
  }

  get state(): RoundsState {
    return { ...this.#state, queue: this.#state.queue.slice(this.#taken) };
  }

  get alpha(): number {
    return this.#state.alpha;
  }

  get blockSize(): number {
    return this.#state.blockSize;
  }

  /** Ranks all candidates again: after a change of alpha, or after a resume. */
  begin(state: RoundsState, served: readonly number[]): void {
    this.#generation++;
    this.#ready.length = 0;
    this.#pending = 0;
    this.#state = state;
    this.#taken = 0;
    this.#tokens = undefined;
    this.#asked = state.chunks;
    const { alpha, pool, queue } = state;
    this.#ask({ type: 'begin', generation: this.#generation, alpha, pool, queue, served });
    const { candidates, round, fresh } = this.setup;
    this.#rank(Math.max(fresh, Math.ceil((candidates - pool.length) / round)));
    while (this.#pending < AHEAD) this.#rank(fresh);
  }

  /** Returns the next window; a promise only if the worker is behind. */
  next(): Window | Promise<Window> {
    if (this.#taken < this.#state.queue.length) return this.#serve();
    const round = this.#ready.shift();
    if (round !== undefined) return this.#enter(round);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#heard<Round>((waiting) => (this.#waiting = waiting)).then((next) => this.#enter(next));
  }

  /** Returns the corpus's token counts; a promise only if the worker is behind. */
  corpus(): readonly number[] | Promise<readonly number[]> {
    if (this.#corpus !== undefined) return this.#corpus;
    if (this.#failure !== undefined) throw this.#failure;
    return this.#heard<readonly number[]>((waiting) => (this.#waitingForCorpus = waiting));
  }

  /** Waits for an answer of the worker. */
  async #heard<T>(wait: (waiting: Waiting<T>) => void): Promise<T> {
    // Without this, a process with nothing else to do would exit.
    this.#worker.ref();
    const value = await new Promise<T>((resolve, reject) => {
      wait({ resolve, reject });
    });
    this.#worker.unref();
    return value;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #enter(round: Round): Window {
    this.#pending--;
    const { alpha, blockSize } = this.#state;
    this.#state = { blockSize, alpha, chunks: this.#chunksOf(), pool: round.pool, queue: round.starts };
    this.#taken = 0;
    this.#tokens = round.tokens;
    this.#rank(this.setup.fresh);
    return this.#serve();
  }

  /** Chunks drawn up to the current round, without those of rounds ahead. */
  #chunksOf(): number {
    return this.#asked - this.#pending * this.setup.fresh;
  }

  #serve(): Window {
    const index = this.#taken++;
    const start = this.#state.queue[index];
    if (start === undefined) throw new Error('the round is empty');
    const length = this.setup.blockSize + 1;
    if (this.#tokens !== undefined)
      return { start, tokens: this.#tokens.subarray(index * length, (index + 1) * length) };
    const tokens = new Int32Array(length);
    this.setup.reader.read(start, length, tokens, 0);
    return { start, tokens };
  }

  #rank(chunks: number): void {
    const { reader, streams, blockSize, round } = this.setup;
    const size = blockSize * round;
    const starts = Array.from({ length: chunks }, (_, i) =>
      streams.place('curriculum', this.#asked + i).below(reader.length - size),
    );
    this.#asked += chunks;
    this.#pending++;
    this.#ask({ type: 'rank', generation: this.#generation, chunks: starts });
  }

  #ask(question: Question): void {
    this.#worker.postMessage(question);
  }

  #hear(answer: Answer): void {
    if (answer.type === 'corpus') {
      this.#corpus = answer.counts;
      this.setup.onCorpus(answer);
      this.#waitingForCorpus?.resolve(answer.counts);
    } else if (answer.type === 'failed') this.#fail(answer.message);
    else if (answer.generation === this.#generation) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#ready.push(answer);
      else waiting.resolve(answer);
    }
  }

  #fail(why: string): void {
    const error = new EspalierError('ESP_CURRICULUM', `the curriculum's worker thread failed: ${why}`);
    this.#failure = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
    this.#waitingForCorpus?.reject(error);
  }
}
