import type { HostProcess, Logger } from '../../../core/index.js';
import { launcherAlive } from '../launch/launcher-alive.js';

const LOOK_MS = 1000;
/** How long a rank without its launcher may take to save what it has trained. */
const GRACE_MS = 20_000;

/**
 * Ends this rank when what started it is gone, killed by SIGKILL or with its terminal: not every launcher takes its
 * ranks with it. Without `espalier launch` it saves and stops; without its parent, mpirun or mpirun's daemon, nothing can
 * join the ranks' end any more, and it is killed.
 * @returns what ends watching
 */
export function endWithLauncher(log: Logger, host: HostProcess): () => void {
  const parent = process.ppid;
  // One that is not to be seen from here, in another container, says nothing.
  const isSeen = launcherAlive() === true;
  let isTold = false;
  const watch = setInterval(() => {
    if (process.ppid !== parent) {
      log.error('data-parallel: the process that started this rank has ended; stopping this rank');
      process.kill(process.pid, 'SIGKILL');
    }
    if (isTold || !isSeen || launcherAlive() === true) return;
    isTold = true;
    log.error('data-parallel: espalier launch has ended; stopping');
    setTimeout(() => {
      process.kill(process.pid, 'SIGKILL');
    }, GRACE_MS).unref();
    host.deliver('SIGTERM');
  }, LOOK_MS).unref();
  return () => {
    clearInterval(watch);
  };
}
