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

/** What the thread tells. */
export type UploadAnswer =
  | { readonly level: 'info' | 'warn'; readonly line: string }
  | { readonly page: string }
  | { readonly ended: true }
  | { readonly ended: false; readonly why: string };

export interface UploadListener {
  readonly say: Say;
  /** The run is on the server, at this path below its address. */
  readonly onPage: (page: string) => void;
  /** It goes on offline: the upload is given up while the run still goes on. */
  readonly onGivenUp: (why: string) => void;
}

/** The upload of a run, in a thread of its own: a loop that computes for seconds does not keep a server waiting. */
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
        giveUp(`the thread that uploads failed: ${error.message}`);
      });
    });
    // A listener for messages would keep the process alive.
    this.#worker.unref();
  }

  /**
   * The run file is complete: uploads the rest.
   * @param seconds most that it may take
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
