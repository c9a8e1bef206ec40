import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const PIECE_BYTES = 1 << 20;

// Posts the SHA-256 of the file named by `workerData`.
const file = openSync(workerData as string, 'r');
const hash = createHash('sha256');
const piece = Buffer.allocUnsafe(PIECE_BYTES);
for (;;) {
  const bytes = readSync(file, piece);
  if (bytes === 0) break;
  hash.update(piece.subarray(0, bytes));
}
closeSync(file);
parentPort?.postMessage(hash.digest('hex'));
