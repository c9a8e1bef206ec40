import { closeSync, openSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** How often the owner of a lock shows that it is alive. */
const BEAT_MS = 5000;
const FIRST = Buffer.from('{');

// Rewriting the lock's first byte sets its modification time by the file system's clock, not this machine's.
setInterval(() => {
  try {
    const descriptor = openSync(String(workerData), 'r+');
    writeSync(descriptor, FIRST, 0, 1, 0);
    closeSync(descriptor);
  } catch {
    // The next attempt may succeed; a failure must not end the run.
  }
}, BEAT_MS);
