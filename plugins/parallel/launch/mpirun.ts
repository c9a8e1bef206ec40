import { spawnSync } from 'node:child_process';
import { UsageError } from '../../../core/errors.js';

/** MPI family of a launcher: their flags differ. Intel MPI and MVAPICH use MPICH's Hydra. */
export type Family = 'openmpi' | 'mpich';

export interface Launcher {
  readonly file: string;
  readonly family: Family;
}

/** What to run, and where. */
export interface LaunchRequest {
  readonly ranks: number;
  /** Empty: this machine only. */
  readonly hosts: readonly { readonly name: string; readonly slots: number }[];
  /** Running as root, which Open MPI allows only with a flag. */
  readonly root: boolean;
  readonly interface: string | undefined;
  readonly ssh: string | undefined;
  /** Further arguments, passed on unchanged. */
  readonly more: readonly string[];
  readonly program: readonly string[];
}

const NAMES = ['mpirun', 'mpiexec', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec.hydra'];

/**
 * Returns the named launcher, or the first one in the PATH that belongs to the family.
 * @throws UsageError listing what was tried
 */
export function findLauncher({ mpirun, mpi }: { mpirun?: string; mpi?: Family }): Launcher {
  if (process.platform === 'win32') {
    throw new UsageError(
      'ESP_MPIRUN',
      'launch needs Open MPI or MPICH, which do not run on Windows: train in one process, or in Linux under WSL',
    );
  }
  const seen: string[] = [];
  for (const file of mpirun === undefined ? NAMES : [mpirun]) {
    const { error, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
    if (error !== undefined) {
      seen.push(`${file}: not found`);
      continue;
    }
    const family = familyOf(stdout);
    if (family !== undefined && (mpi === undefined || mpi === family)) return { file, family };
    seen.push(`${file}: ${family ?? 'neither Open MPI nor MPICH'}`);
  }
  throw new UsageError(
    'ESP_MPIRUN',
    `no launcher of ${mpi ?? 'Open MPI or MPICH'} is found (${seen.join('; ')}): install one (apt install openmpi-bin, or pip install mpich), or give its path with --mpirun PATH`,
  );
}

function familyOf(version: string): Family | undefined {
  if (version.includes('Open MPI') || version.includes('OpenRTE')) return 'openmpi';
  return /HYDRA|Intel\(R\) MPI|MPICH/i.test(version) ? 'mpich' : undefined;
}

/** Returns the launcher's arguments. */
export function launchArguments(family: Family, request: LaunchRequest): string[] {
  const { ranks, more, program } = request;
  const flags = family === 'openmpi' ? openMpiFlags(request) : mpichFlags(request);
  return ['-n', String(ranks), ...flags, ...more, ...program];
}

function openMpiFlags({ hosts, root, interface: network, ssh }: LaunchRequest): string[] {
  return [
    // Each rank has several threads, which would share a single core if bound to it.
    ...['--bind-to', 'none'],
    // Allow more ranks than cores.
    '--oversubscribe',
    ...(root ? ['--allow-run-as-root'] : []),
    ...(hosts.length === 0 ? [] : ['--host', hosts.map(({ name, slots }) => `${name}:${String(slots)}`).join(',')]),
    ...(network === undefined ? [] : ['--mca', 'btl_tcp_if_include', network, '--mca', 'oob_tcp_if_include', network]),
    ...(ssh === undefined ? [] : ['--mca', 'plm_rsh_agent', ssh]),
  ];
}

function mpichFlags({ hosts, interface: network, ssh }: LaunchRequest): string[] {
  return [
    ...['-bind-to', 'none'],
    ...(hosts.length === 0 ? [] : ['-hosts', hosts.map(({ name, slots }) => `${name}:${String(slots)}`).join(',')]),
    ...(network === undefined ? [] : ['-iface', network]),
    ...(ssh === undefined ? [] : ['-launcher', 'ssh', '-launcher-exec', ssh]),
  ];
}
