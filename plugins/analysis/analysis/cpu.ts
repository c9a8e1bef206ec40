import { readFileSync } from 'node:fs';

/** Seconds of a core that the calling thread has had so far; where the system does not tell (no Linux), those of the clock. */
export function cpuSeconds(): number {
  try {
    const [nanoseconds] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
    return Number(nanoseconds) / 1e9;
  } catch {
    return performance.now() / 1000;
  }
}
