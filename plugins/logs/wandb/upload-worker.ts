import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { Client, ServerGone, type Say } from './http.js';
import type { UploadAnswer, UploadTask } from './upload.js';
import { Uploader } from './uploader.js';

const { source, connection, interval } = workerData as UploadTask;
const answer = (message: UploadAnswer): void => parentPort?.postMessage(message);
const say: Say = (level, line) => {
  answer({ level, line });
};
const server = new Client(connection, say);
const ending = new AbortController();
parentPort?.once('message', () => {
  ending.abort();
  server.hurry();
});

try {
  const uploader = new Uploader(source, server);
  let hasSentPage = false;
  while (!ending.signal.aborted) {
    await uploader.push();
    const { page } = uploader;
    if (!hasSentPage && page !== undefined) answer({ page });
    hasSentPage ||= page !== undefined;
    await sleep(1000 * interval, undefined, { signal: ending.signal }).catch(() => undefined);
  }
  await uploader.finish();
  answer({ ended: true });
} catch (thrown) {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  answer({ ended: false, why: thrown instanceof ServerGone ? why : `the upload failed: ${why}` });
}
