import { setTimeout as pause } from 'node:timers/promises';

/** Errors on Windows while another program has the file or folder open: a virus scanner, an indexer, a reader. */
const BUSY: readonly unknown[] = ['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY'];
/** Milliseconds between attempts, 1.9 s in total. */
const PAUSES = [10, 20, 50, 100, 200, 500, 1000];

/**
 * Runs work that renames, replaces or removes files. On Windows, which refuses that while another program has them
 * open, tries again for up to two seconds; elsewhere the first failure counts.
 *
 * @throws the error of the last attempt
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

/** Like `retried`, for synchronous work: the thread sleeps between attempts. */
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
