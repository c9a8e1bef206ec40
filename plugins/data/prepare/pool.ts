import { Worker } from 'node:worker_threads';
import type { Tokenizer, TokenizerState } from '../../../core/index.js';
import { encodePiece, type Answer, type Failure } from './answer.js';
import type { Job } from './jobs.js';
import type { Task, WorkerSetup } from './worker.js';

/** Jobs per worker: one being done, and one waiting. */
const JOBS_A_WORKER = 2;
/** Total bytes of jobs to read ahead, not counting the next one: a record may have any size. */
const BYTES_AHEAD = 1 << 23;

export interface Answered {
  readonly job: Job;
  readonly answer: Answer | Failure;
}

/** Does several jobs at a time. */
export interface Pool {
  /** Yields results in the order of the jobs. @param state of the tokenizer; undefined while it is being learned */
  answers(jobs: AsyncIterable<Job>, state: TokenizerState | undefined): AsyncGenerator<Answered>;
  close(): Promise<void>;
}

/** A pool for tokenizers that have threads of their own, so only one copy of the vocabulary is in memory. */
export class BackgroundPool implements Pool {
  constructor(
    private readonly count: number,
    private readonly tokenizer: Tokenizer,
  ) {}

  answers(jobs: AsyncIterable<Job>): AsyncGenerator<Answered> {
    return inOrder(jobs, this.count, (job) => encodePiece(job.piece, () => Promise.resolve(this.tokenizer)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A pool of worker threads that encode with one tokenizer. */
export class WorkerPool implements Pool {
  readonly #workers: Busy[] = [];

  constructor(
    private readonly count: number,
    private readonly setup: WorkerSetup,
  ) {}

  answers(jobs: AsyncIterable<Job>, state: TokenizerState | undefined): AsyncGenerator<Answered> {
    return inOrder(jobs, this.count, (job) => this.#freest().answer({ piece: job.piece, state }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  /** Returns the worker with the fewest jobs; starts a new one if all are busy and more are allowed. */
  #freest(): Busy {
    const [first] = [...this.#workers].sort((a, b) => a.waiting - b.waiting);
    if (first !== undefined && (first.waiting === 0 || this.#workers.length >= this.count)) return first;
    const started = new Busy(this.setup);
    this.#workers.push(started);
    return started;
  }
}

/** Reads just enough jobs ahead to keep every worker busy, so memory does not grow with the input. */
async function* inOrder(
  jobs: AsyncIterable<Job>,
  workers: number,
  answerTo: (job: Job) => Promise<Answer | Failure>,
): AsyncGenerator<Answered> {
  const ahead: { readonly bytes: number; readonly answered: Promise<Answered> }[] = [];
  let bytesAhead = 0;
  for await (const job of jobs) {
    const bytes = job.piece.kind === 'parquet' ? 0 : job.piece.bytes.length;
    ahead.push({ bytes, answered: answerTo(job).then((answer) => ({ job, answer })) });
    bytesAhead += bytes;
    while (ahead.length > workers * JOBS_A_WORKER || (ahead.length > 1 && bytesAhead > BYTES_AHEAD)) {
      const next = ahead.shift();
      if (next === undefined) break;
      bytesAhead -= next.bytes;
      yield await next.answered;
    }
  }
  for (const { answered } of ahead) yield await answered;
}

/** A worker and its pending answers, in order. */
class Busy {
  readonly #worker: Worker;
  readonly #owed: ((answer: Answer | Failure) => void)[] = [];
  #failed: Failure | undefined;

  constructor(setup: WorkerSetup) {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: setup,
      // Texts become garbage once encoded; a small young generation collects them early.
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    });
    this.#worker.on('message', (answer: Answer | Failure) => this.#owed.shift()?.(answer));
    this.#worker.on('error', (error: Error) => {
      this.#fail({ code: undefined, message: `a worker thread failed: ${error.message}`, at: {} });
    });
    this.#worker.on('exit', () => {
      this.#fail({ code: undefined, message: 'a worker thread exited before its work was done', at: {} });
    });
  }

  get waiting(): number {
    return this.#owed.length;
  }

  /** Never rejects: an error is part of the job's result, and is handled in order. */
  answer(task: Task): Promise<Answer | Failure> {
    return new Promise((resolve) => {
      if (this.#failed !== undefined) {
        resolve(this.#failed);
        return;
      }
      this.#owed.push(resolve);
      this.#worker.postMessage(task, task.piece.kind === 'parquet' ? [] : [task.piece.bytes.buffer]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(failure: Failure): void {
    this.#failed ??= failure;
    for (const resolve of this.#owed.splice(0)) resolve(this.#failed);
  }
}
