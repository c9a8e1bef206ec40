import { hostname } from 'node:os';

/** Environment variable with the host and process id of `espalier launch`. */
export const LAUNCHER = 'ESPALIER_LAUNCHER';

export function thisProcess(): string {
  return `${hostname()} ${String(process.pid)}`;
}

/**
 * Returns whether the `espalier launch` that started this process is running; undefined if there is none on this
 * machine.
 */
export function launcherAlive(): boolean | undefined {
  const [host, pid] = process.env[LAUNCHER]?.split(' ') ?? [];
  if (host !== hostname() || !(Number(pid) > 0)) return undefined;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (thrown) {
    // EPERM: the process exists but belongs to another user.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
