import { rmSync } from 'node:fs';

const paths = new Set<string>();

/**
 * Removes a file or folder when the process ends while it is unfinished, by a signal too (not by SIGKILL).
 * @returns what keeps it from then on
 */
export function removeOnExit(path: string): () => void {
  if (paths.size === 0) process.on('exit', removeAll);
  paths.add(path);
  return () => {
    paths.delete(path);
    if (paths.size === 0) process.off('exit', removeAll);
  };
}

function removeAll(): void {
  for (const path of paths) {
    try {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Another process may still write there; nothing is left to report it to.
    }
  }
}
