import type { HostProcess, Logger } from '../../../core/index.js';
import { launcherAlive } from '../launch/launcher-alive.js';

const LOOK_MS = 1000;
/** Time for a rank without its launcher to save what it has trained. */
const GRACE_MS = 20_000;

/**
 * Ends this rank when its launcher is gone, killed by SIGKILL or with its terminal: not every launcher takes its ranks
 * with it. Without `espalier launch` the rank saves and stops. Without its parent (mpirun or mpirun's daemon) the ranks
 * can no longer end together, so it is killed.
 * @returns a function that stops watching
 */
export function endWithLauncher(log: Logger, host: HostProcess): () => void {
  const parent = process.ppid;
  // A launcher that is not visible from here, in another container, cannot be checked.
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
