import { Worker } from 'node:worker_threads';
import type { Answer, Moment, Task } from './protocol.js';

/** Runs analyses in a worker thread, one snapshot at a time. The thread starts with the first, and again if it died. */
export class AnalysisThread {
  #worker: Worker | undefined;
  #running: { readonly at: Moment; readonly done: Promise<void>; end: () => void } | undefined;
  readonly #answers: Answer[] = [];

  /** Iteration of the snapshot being analysed. */
  get running(): number | undefined {
    return this.#running?.at.iteration;
  }

  /** @param task its weights are transferred to the thread: the arrays are empty afterwards */
  start(task: Task): void {
    this.#worker ??= this.#made();
    this.#worker.postMessage(
      task,
      [...task.weights.values()].map(({ values }) => values.buffer),
    );
    let end = (): void => undefined;
    const done = new Promise<void>((resolve) => (end = resolve));
    this.#running = { at: task.at, done, end };
  }

  /** Returns the oldest answer that was not taken yet. */
  take(): Answer | undefined {
    return this.#answers.shift();
  }

  /** Waits for the snapshot being analysed. @returns whether it finished in time */
  async settled(milliseconds: number): Promise<boolean> {
    const running = this.#running;
    if (running === undefined) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, milliseconds)));
    await Promise.race([running.done, late]);
    clearTimeout(timer);
    return this.#running === undefined;
  }

  /** Drops answers about later iterations, and stops the thread if it is analysing one. */
  async dropAfter(iteration: number): Promise<void> {
    const left = this.#answers.splice(0).filter(({ at }) => at.iteration <= iteration);
    this.#answers.push(...left);
    const running = this.#running;
    if (running === undefined || running.at.iteration <= iteration) return;
    this.#running = undefined;
    await this.close();
    running.end();
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #made(): Worker {
    const worker = new Worker(new URL('./worker.js', import.meta.url));
    worker.on('message', (answer: Answer) => {
      if (this.#worker === worker) this.#end(answer);
    });
    worker.on('error', (error) => {
      this.#died(worker, error.message);
    });
    worker.on('exit', (code) => {
      this.#died(worker, `it ended with code ${String(code)}`);
    });
    worker.unref();
    return worker;
  }

  #died(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const at = this.#running?.at;
    if (at !== undefined) this.#end({ type: 'failed', at, message: `its worker thread died: ${why}` });
  }

  #end(answer: Answer): void {
    this.#answers.push(answer);
    const running = this.#running;
    this.#running = undefined;
    running?.end();
  }
}
