import os from 'node:os';

/**
 * Returns the share of memory in use after allocating `bytes` more: of the machine's memory, or of this process's limit
 * (in a container), whichever share is larger. The system's caches do not count.
 */
export function memoryUse(bytes: number): number {
  const total = os.totalmem();
  const allowed = process.constrainedMemory();
  const limit = allowed > 0 && allowed < total ? allowed : total;
  const ofMachine = (total - os.freemem() + bytes) / total;
  const ofProcess = (process.memoryUsage.rss() + bytes) / limit;
  return Math.max(ofMachine, ofProcess);
}
