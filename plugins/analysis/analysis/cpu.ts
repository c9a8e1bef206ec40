import { readFileSync } from 'node:fs';

/** Returns the calling thread's CPU time so far, in seconds; wall-clock time on systems other than Linux. */
export function cpuSeconds(): number {
  try {
    const [nanoseconds] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
    return Number(nanoseconds) / 1e9;
  } catch {
    return performance.now() / 1000;
  }
}
