import { Worker } from 'node:worker_threads';
import type { Connection, Say } from './http.js';
import type { UploadSource } from './uploader.js';

/** What the thread is started with. */
export interface UploadTask {
  readonly source: UploadSource;
  readonly connection: Connection;
  /** Seconds between uploads. */
  readonly interval: number;
}

/** What the thread sends. */
export type UploadAnswer =
  | { readonly level: 'info' | 'warn'; readonly line: string }
  | { readonly page: string }
  | { readonly ended: true }
  | { readonly ended: false; readonly why: string };

export interface UploadListener {
  readonly say: Say;
  /** Called once the run is on the server, with its path there. */
  readonly onPage: (page: string) => void;
  /** Called when the upload is given up; the run continues offline. */
  readonly onGivenUp: (why: string) => void;
}

/** Uploads a run in a worker thread, so that a training loop that computes for seconds does not delay it. */
export class Upload {
  readonly #worker: Worker;
  readonly #ended: Promise<boolean>;

  constructor(task: UploadTask, { say, onPage, onGivenUp }: UploadListener) {
    this.#worker = new Worker(new URL('./upload-worker.js', import.meta.url), { workerData: task });
    this.#ended = new Promise((resolve) => {
      const giveUp = (why: string): void => {
        onGivenUp(why);
        resolve(false);
        void this.#worker.terminate();
      };
      this.#worker.on('message', (answer: UploadAnswer) => {
        if ('line' in answer) say(answer.level, answer.line);
        else if ('page' in answer) onPage(answer.page);
        else if (answer.ended) resolve(true);
        else giveUp(answer.why);
      });
      this.#worker.once('error', (error) => {
        giveUp(`the upload thread failed: ${error.message}`);
      });
    });
    // Otherwise the message listener keeps the process alive.
    this.#worker.unref();
  }

  /**
   * Uploads the rest. Call it when the run file is complete.
   * @param seconds longest time to wait
   * @returns whether everything is on the server
   */
  async finish(seconds: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, 1000 * seconds);
    });
    this.#worker.postMessage('finish');
    const whole = await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    await this.#worker.terminate();
    return whole;
  }
}
