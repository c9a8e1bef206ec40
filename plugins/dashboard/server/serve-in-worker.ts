import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { messageOf } from '../../../core/index.js';
import type { FoundRun } from './find-runs.js';
import type { Dashboard } from './serve.js';

export interface WorkerRequest {
  /** In the order in which they are shown. */
  readonly runs: readonly FoundRun[];
  readonly host: string;
  readonly port: number;
}

const answerSchema = z.union([z.object({ url: z.string() }), z.object({ failed: z.string() })]);

/**
 * Serves the dashboard from a worker thread that does not keep the process alive.
 * @throws Error when it cannot listen
 */
export async function serveInWorker(request: WorkerRequest): Promise<Dashboard> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: request });
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the dashboard’s thread has exited')));
    });
  const answer = answerSchema.parse(await next());
  worker.unref();
  if ('failed' in answer) throw new Error(answer.failed);
  // If the thread fails later, the page is lost but the run continues.
  worker.on('error', () => undefined);
  return {
    url: answer.url,
    close: async () => {
      const closed = next().catch(messageOf);
      worker.ref();
      worker.postMessage('close');
      await closed;
      await worker.terminate();
    },
  };
}
