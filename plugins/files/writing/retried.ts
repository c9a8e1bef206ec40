import { setTimeout as pause } from 'node:timers/promises';

/** What Windows answers while another program has the file or folder open: a virus scanner, an indexer, a reader. */
const BUSY: readonly unknown[] = ['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY'];
/** Milliseconds between tries: 1.9 s in all. */
const PAUSES = [10, 20, 50, 100, 200, 500, 1000];

/**
 * Renames, replaces or removes files, again for up to two seconds where Windows refuses it because they are open in
 * another program. Elsewhere an open file is in no one's way, and the first failure counts.
 *
 * @throws what the last try threw
 */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (const wait of PAUSES) {
    try {
      return await work();
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown;
      await pause(wait);
    }
  }
  return work();
}

/** The same for synchronous calls: the thread sleeps between tries. */
export function retriedSync<T>(work: () => T): T {
  for (const wait of PAUSES) {
    try {
      return work();
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait);
    }
  }
  return work();
}

function isBusy(thrown: unknown): boolean {
  return process.platform === 'win32' && thrown instanceof Error && 'code' in thrown && BUSY.includes(thrown.code);
}
