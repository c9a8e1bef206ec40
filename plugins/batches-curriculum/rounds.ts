import { Worker } from 'node:worker_threads';
import {
  EspalierError,
  openSharedModule,
  windowsAt,
  type Batch,
  type BatchShape,
  type RandomStreams,
  type TokenReader,
} from '../../core/index.js';
import type { Answer, Corpus, Question, Round, WorkerSetup } from './protocol.js';

/** Rounds that are ranked before they are needed. */
const AHEAD = 2;

/** Everything that decides what is served next. */
export interface RoundsState {
  readonly shape: BatchShape;
  readonly alpha: number;
  /** Chunks that candidates were taken from so far. */
  readonly chunks: number;
  /** Start positions of the candidates that are left after this round. */
  readonly pool: readonly number[];
  /** Start positions of this round's batches that were not served yet, the next first. */
  readonly queue: readonly number[];
}

/** What stays the same while the worker lives. */
export interface RoundsSetup {
  readonly reader: TokenReader;
  readonly streams: RandomStreams;
  readonly shape: BatchShape;
  readonly vocabSize: number;
  /** Candidates to choose from. */
  readonly candidates: number;
  /** Batches in a round. */
  readonly round: number;
  /** Chunks, of a round's batches each, that are read for a round. */
  readonly fresh: number;
  readonly sampleTokens: number;
  readonly cache: string | undefined;
  readonly onCorpus: (corpus: Corpus) => void;
}

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Batches in numbered rounds: the candidates of a round are a function of the seed, and they are ranked by what all
 * rounds before have served, so it does not matter when the worker gets to it.
 */
export class Rounds {
  readonly #worker: Worker;
  #generation = 0;
  #state: RoundsState;
  /** Batches of this round by start; those that a state brought are read when they are served. */
  #current: Map<number, Batch> | undefined;
  /** Chunks that were asked for, by the rounds ahead. */
  #asked = 0;
  /** Rounds that came, and those waiting for one. */
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
    const { reader, shape, vocabSize, round, fresh, sampleTokens, cache } = setup;
    const workerData: WorkerSetup = {
      opener: openSharedModule,
      source: reader.share(),
      id: reader.id,
      vocabSize,
      shape,
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
    return this.#state;
  }

  /** Puts all candidates together and ranks them again: with another alpha, or where a checkpoint was made. */
  begin(state: RoundsState, served: readonly number[]): void {
    this.#generation++;
    this.#ready.length = 0;
    this.#pending = 0;
    this.#state = state;
    this.#current = undefined;
    this.#asked = state.chunks;
    const { alpha, pool, queue } = state;
    this.#ask({ type: 'begin', generation: this.#generation, alpha, pool, queue, served });
    const { candidates, round, fresh } = this.setup;
    this.#rank(Math.max(fresh, Math.ceil((candidates - pool.length) / round)));
    while (this.#pending < AHEAD) this.#rank(fresh);
  }

  /** The next batch; a promise only while the worker is behind. */
  next(): Batch | Promise<Batch> {
    if (this.#state.queue.length > 0) return this.#serve();
    const round = this.#ready.shift();
    if (round !== undefined) return this.#enter(round);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#heard<Round>((waiting) => (this.#waiting = waiting)).then((next) => this.#enter(next));
  }

  /** The corpus's own counts; a promise only while the worker is behind. */
  corpus(): readonly number[] | Promise<readonly number[]> {
    if (this.#corpus !== undefined) return this.#corpus;
    if (this.#failure !== undefined) throw this.#failure;
    return this.#heard<readonly number[]>((waiting) => (this.#waitingForCorpus = waiting));
  }

  /** Waits for the worker. */
  async #heard<T>(wait: (waiting: Waiting<T>) => void): Promise<T> {
    // Without this, a process with nothing else to do would end.
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

  #enter(round: Round): Batch {
    const { batchSize, blockSize } = this.setup.shape;
    const size = batchSize * blockSize;
    this.#current = new Map(
      round.starts.map((start, index) => {
        const from = index * (size + 1);
        const inputs = round.tokens.slice(from, from + size);
        return [start, { inputs, targets: round.tokens.slice(from + 1, from + size + 1), batchSize, blockSize }];
      }),
    );
    this.#pending--;
    const { alpha, shape } = this.#state;
    this.#state = { shape, alpha, chunks: this.#chunksOf(), pool: round.pool, queue: round.starts };
    this.#rank(this.setup.fresh);
    return this.#serve();
  }

  /** Chunks drawn up to the round that is entered: the rounds still ahead have the others. */
  #chunksOf(): number {
    return this.#asked - this.#pending * this.setup.fresh;
  }

  #serve(): Batch {
    const [start, ...queue] = this.#state.queue;
    if (start === undefined) throw new Error('the round is empty');
    this.#state = { ...this.#state, queue };
    const { batchSize, blockSize } = this.setup.shape;
    const starts = Array.from({ length: batchSize }, (_, row) => start + row * blockSize);
    return this.#current?.get(start) ?? windowsAt(this.setup.reader, starts, this.setup.shape);
  }

  #rank(chunks: number): void {
    const { reader, streams, shape, round } = this.setup;
    const size = shape.batchSize * shape.blockSize * round;
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
