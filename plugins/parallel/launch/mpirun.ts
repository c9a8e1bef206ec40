import { spawnSync } from 'node:child_process';
import { UsageError } from '../../../core/errors.js';

/** Whose launcher it is: their flags differ. Intel MPI's and MVAPICH's is MPICH's Hydra. */
export type Family = 'openmpi' | 'mpich';

export interface Launcher {
  readonly file: string;
  readonly family: Family;
}

/** What is to run where. */
export interface LaunchRequest {
  readonly ranks: number;
  /** None: this machine. */
  readonly hosts: readonly { readonly name: string; readonly slots: number }[];
  /** Open MPI asks to be told that it is meant. */
  readonly root: boolean;
  readonly interface: string | undefined;
  readonly ssh: string | undefined;
  /** Further arguments, as they are. */
  readonly more: readonly string[];
  readonly program: readonly string[];
}

const NAMES = ['mpirun', 'mpiexec', 'mpirun.openmpi', 'mpirun.mpich', 'mpiexec.hydra'];

/**
 * The launcher that is named, or the first of the PATH that is of the family.
 * @throws UsageError saying what was looked for
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
    `no launcher of ${mpi ?? 'Open MPI or MPICH'} is found (${seen.join('; ')}): install one (apt install openmpi-bin, or pip install mpich), or name it with --mpirun PATH`,
  );
}

function familyOf(version: string): Family | undefined {
  if (version.includes('Open MPI') || version.includes('OpenRTE')) return 'openmpi';
  return /HYDRA|Intel\(R\) MPI|MPICH/i.test(version) ? 'mpich' : undefined;
}

/** What the launcher is called with. */
export function launchArguments(family: Family, request: LaunchRequest): string[] {
  const { ranks, more, program } = request;
  const flags = family === 'openmpi' ? openMpiFlags(request) : mpichFlags(request);
  return ['-n', String(ranks), ...flags, ...more, ...program];
}

function openMpiFlags({ hosts, root, interface: network, ssh }: LaunchRequest): string[] {
  return [
    // Each rank has several threads: bound to one core they would take turns on it.
    ...['--bind-to', 'none'],
    // As many as were asked for, however many cores there are.
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
