// Serves the dashboard from a worker thread, so that the training loop, which blocks its thread for hundreds of
// milliseconds at a time, does not delay the page, nor the page the loop.
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { messageOf } from '../../../core/index.js';
import { serveDashboard } from './serve.js';

const dataSchema = z.object({
  runs: z.array(z.object({ name: z.string(), folder: z.string(), named: z.boolean().optional() })),
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
