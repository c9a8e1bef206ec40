import { hostname } from 'node:os';

/** Environment variable that names the process of `espalier launch`: host and process id. */
export const LAUNCHER = 'ESPALIER_LAUNCHER';

export function thisProcess(): string {
  return `${hostname()} ${String(process.pid)}`;
}

/** Whether the `espalier launch` that started this process runs; undefined if there is none on this machine. */
export function launcherAlive(): boolean | undefined {
  const [host, pid] = process.env[LAUNCHER]?.split(' ') ?? [];
  if (host !== hostname() || !(Number(pid) > 0)) return undefined;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (thrown) {
    // Another user's process cannot be signalled, and is there.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}
