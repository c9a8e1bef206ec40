import { Worker } from 'node:worker_threads';
import type { TokenizerState } from '../contracts/data.js';
import type { Job } from './jobs.js';
import type { Answer, Failure, Task, WorkerSetup } from './worker.js';

/** Jobs that a worker has at a time: one in work, one waiting for it. */
const JOBS_A_WORKER = 2;
/** Bytes of all jobs that are taken ahead, beside the one that is next: a record may be of any size. */
const BYTES_AHEAD = 1 << 23;

export interface Answered {
  readonly job: Job;
  readonly answer: Answer | Failure;
}

/** Worker threads that encode jobs; results come in the order of the jobs, so they do not hang on how many there are. */
export class WorkerPool {
  readonly #workers: Busy[] = [];

  constructor(
    private readonly count: number,
    private readonly setup: WorkerSetup,
  ) {}

  /**
   * Takes as many jobs ahead as keep every worker busy, and no more: memory does not grow with the input.
   * @param state of the tokenizer, undefined while it is being learned; one pool has one tokenizer
   */
  async *answers(jobs: AsyncIterable<Job>, state: TokenizerState | undefined): AsyncGenerator<Answered> {
    const ahead: { readonly bytes: number; readonly answered: Promise<Answered> }[] = [];
    let bytesAhead = 0;
    for await (const job of jobs) {
      const bytes = job.piece.kind === 'parquet' ? 0 : job.piece.bytes.length;
      const answer = this.#freest().answer({ piece: job.piece, state });
      ahead.push({ bytes, answered: answer.then((answer) => ({ job, answer })) });
      bytesAhead += bytes;
      while (ahead.length > this.count * JOBS_A_WORKER || (ahead.length > 1 && bytesAhead > BYTES_AHEAD)) {
        const next = ahead.shift();
        if (next === undefined) break;
        bytesAhead -= next.bytes;
        yield await next.answered;
      }
    }
    for (const { answered } of ahead) yield await answered;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  /** The worker with the least to do; a new one while all have something and more are allowed. */
  #freest(): Busy {
    const [first] = [...this.#workers].sort((a, b) => a.waiting - b.waiting);
    if (first !== undefined && (first.waiting === 0 || this.#workers.length >= this.count)) return first;
    const started = new Busy(this.setup);
    this.#workers.push(started);
    return started;
  }
}

/** A worker and whom it owes answers, in the order that it was asked. */
class Busy {
  readonly #worker: Worker;
  readonly #owed: ((answer: Answer | Failure) => void)[] = [];
  #failed: Failure | undefined;

  constructor(setup: WorkerSetup) {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: setup,
      // Texts are garbage as soon as they are encoded: collected early, they do not pile up.
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    });
    this.#worker.on('message', (answer: Answer | Failure) => this.#owed.shift()?.(answer));
    this.#worker.on('error', (error: Error) => {
      this.#fail({ code: undefined, message: `a worker thread failed: ${error.message}`, at: {} });
    });
    this.#worker.on('exit', () => {
      this.#fail({ code: undefined, message: 'a worker thread ended before its work was done', at: {} });
    });
  }

  get waiting(): number {
    return this.#owed.length;
  }

  /** Never rejects: an error belongs to the job, which is looked at in its turn. */
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
