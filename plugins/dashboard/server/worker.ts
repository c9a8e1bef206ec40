// Serves the page of a run from a thread of its own: the loop, busy for hundreds of milliseconds at a time, neither
// keeps the page waiting nor waits for it. It knows the run only by its files.
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { messageOf } from '../../../core/index.js';
import { serveDashboard } from './serve.js';

const dataSchema = z.object({
  runs: z.array(z.object({ name: z.string(), folder: z.string() })),
  host: z.string(),
  port: z.int(),
});

const { runs, host, port } = dataSchema.parse(workerData);
try {
  const dashboard = await serveDashboard({ find: () => runs, host, port });
  parentPort?.once('message', () => void dashboard.close().then(() => parentPort?.postMessage({ closed: true })));
  parentPort?.postMessage({ url: dashboard.url });
} catch (thrown) {
  parentPort?.postMessage({ failed: messageOf(thrown) });
}
