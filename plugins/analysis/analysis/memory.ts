import os from 'node:os';

/**
 * Share of the memory that is in use once `bytes` more are taken: of the machine, or of what this process may have
 * (a container's limit), whichever is the larger. What the system only caches is not in use.
 */
export function memoryUse(bytes: number): number {
  const total = os.totalmem();
  const allowed = process.constrainedMemory();
  const limit = allowed > 0 && allowed < total ? allowed : total;
  const ofMachine = (total - os.freemem() + bytes) / total;
  const ofProcess = (process.memoryUsage.rss() + bytes) / limit;
  return Math.max(ofMachine, ofProcess);
}
