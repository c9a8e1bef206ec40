import { closeSync, openSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** How often the owner of a lock shows that it lives. */
const BEAT_MS = 5000;
const FIRST = Buffer.from('{');

/** Writes the lock's first byte again: its time is then the file system's own, not that of this machine's clock. */
setInterval(() => {
  try {
    const descriptor = openSync(String(workerData), 'r+');
    writeSync(descriptor, FIRST, 0, 1, 0);
    closeSync(descriptor);
  } catch {
    // The next one may succeed: a lock that cannot be touched must not end a run.
  }
}, BEAT_MS);
