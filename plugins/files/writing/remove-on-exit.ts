import { rmSync } from 'node:fs';

const paths = new Set<string>();

/**
 * Removes an unfinished file or folder if the process exits, also on a signal (except SIGKILL).
 * @returns a function to call once it is finished: it is then kept
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
      // Another process may still write there, and it is too late to report it.
    }
  }
}
