import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { messageOf, UsageError } from '../../../core/index.js';
import { homeExpanded } from '../../../core/paths.js';
import type { Launch } from './launch.js';

/** Binary interfaces: Open MPI's, MPICH's (also Intel MPI and MVAPICH), and that of the MPI 5 standard. */
export type Abi = 'openmpi' | 'mpich' | 'mpi5';

export interface Library {
  readonly handle: LibraryHandle;
  readonly abi: Abi;
  /** `Open MPI v4.1.4 (libmpi.so.40)`. */
  readonly description: string;
}

const FILES: Readonly<Record<Abi, readonly string[]>> =
  process.platform === 'darwin'
    ? { openmpi: ['libmpi.40.dylib'], mpich: ['libmpi.12.dylib', 'libpmpi.12.dylib'], mpi5: ['libmpi_abi.1.dylib'] }
    : { openmpi: ['libmpi.so.40'], mpich: ['libmpi.so.12', 'libmpich.so.12'], mpi5: ['libmpi_abi.so.1'] };

/** Where distributions install MPI outside the loader's path, in addition to folders named in the environment. */
const FOLDERS: Readonly<Record<Abi, readonly string[]>> = {
  openmpi: ['/usr/lib64/openmpi/lib', '/opt/openmpi/lib', '/opt/homebrew/opt/open-mpi/lib'],
  mpich: ['/usr/lib64/mpich/lib', '/opt/mpich/lib', '/opt/homebrew/opt/mpich/lib'],
  mpi5: [],
};

/**
 * RDMA transports watch memory by patching malloc and munmap while V8's threads run them: four ranks of MPICH 5.0.2
 * crashed in one start of fifteen. UCX takes over SIGHUP to wait for a debugger. Values set by the user are kept.
 */
const LEAVE_PROCESS_ALONE = {
  UCX_MEM_EVENTS: 'n',
  FI_MR_CACHE_MONITOR: 'disabled',
  OMPI_MCA_memory: '^patcher',
  UCX_DEBUG_SIGNO: '0',
};

/** Longest version text; MPICH's is the longest. */
const VERSION_BYTES = 8192;
/**
 * How many levels of parent processes to search for a launcher: a shell, a container's init or a script may be in
 * between.
 */
const ANCESTORS = 6;

/**
 * Loads the MPI library of the launcher that started this process.
 * @param named a file that the config names instead of searching
 * @throws UsageError if there is none, or if it is not the launcher's
 */
export function loadLibrary(launch: Launch, named: string | undefined): Library {
  for (const [name, value] of Object.entries(LEAVE_PROCESS_ALONE)) process.env[name] ??= value;
  const tried: string[] = [];
  for (const file of named === undefined ? candidates(launch) : [homeExpanded(named)]) {
    const handle = opened(file, tried);
    if (handle === undefined) continue;
    const library = { handle, ...describe(handle, file) };
    if (fits(library.abi, launch)) return library;
    throw new UsageError(
      'ESP_MPI_MISMATCH',
      `data-parallel: this process was started by ${launch.launcher}, and the MPI library is ${library.description}: no process would find the others; start with the mpirun of that library, or give the launcher's library with --set plugins.data-parallel.library=PATH`,
    );
  }
  throw new UsageError(
    'ESP_MPI_LIBRARY',
    `data-parallel: this process is rank ${String(launch.rank)} of ${String(launch.size)}, started by ${launch.launcher}, and no MPI library is found (${tried.join('; ')}): install Open MPI or MPICH, or give the library with --set plugins.data-parallel.library=PATH`,
  );
}

function fits(abi: Abi, { family }: Launch): boolean {
  if (family === undefined) return true;
  return family === 'openmpi' ? abi === 'openmpi' : abi !== 'openmpi';
}

function candidates(launch: Launch): string[] {
  const abis: Abi[] =
    launch.family === 'openmpi'
      ? ['openmpi']
      : launch.family === 'mpich'
        ? ['mpich', 'mpi5']
        : ['openmpi', 'mpich', 'mpi5'];
  const beside = launcherFolders();
  const { OPAL_PREFIX: openMpi, I_MPI_ROOT: intel, MPI_HOME: home } = process.env;
  const below = (prefix: string | undefined, ...folders: string[]): string[] =>
    prefix === undefined ? [] : folders.map((folder) => path.join(prefix, folder));
  return abis.flatMap((abi) => {
    const folders = [
      ...(abi === 'openmpi' ? below(openMpi, 'lib') : below(intel, 'lib', 'lib/release')),
      ...below(home, 'lib', 'lib64'),
      ...beside,
      ...FOLDERS[abi],
    ];
    const files = FILES[abi];
    const there = folders
      .flatMap((folder) => files.map((file) => path.join(folder, file)))
      .filter((file) => existsSync(file));
    return [...there, ...files];
  });
}

/** Returns `lib` next to the `bin` folder of each ancestor process's program: the launcher's own library is there. */
function launcherFolders(): string[] {
  const folders: string[] = [];
  let pid = process.ppid;
  for (let up = 0; up < ANCESTORS && pid > 1; up++) {
    try {
      const prefix = path.dirname(path.dirname(readlinkSync(`/proc/${String(pid)}/exe`)));
      if (prefix !== '/usr') folders.push(path.join(prefix, 'lib'), path.join(prefix, 'lib64'));
      // The name, in parentheses, may contain anything; the parent is the second field after it.
      const fields =
        readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
          .split(') ')
          .at(-1)
          ?.split(' ') ?? [];
      pid = Number(fields[1]);
    } catch {
      break;
    }
  }
  return folders;
}

function opened(file: string, tried: string[]): LibraryHandle | undefined {
  try {
    // Global, because the plugins that MPI itself loads look up its symbols.
    return koffi.load(file, { global: true });
  } catch (thrown) {
    tried.push(`${file}: ${messageOf(thrown)}`);
    return undefined;
  }
}

function describe(handle: LibraryHandle, file: string): Pick<Library, 'abi' | 'description'> {
  const text = new Uint8Array(new ArrayBuffer(VERSION_BYTES));
  const length = new Int32Array(new ArrayBuffer(4));
  const ask: (text: Uint8Array, length: Int32Array) => number = symbolOf(handle, file, () =>
    handle.func('MPI_Get_library_version', 'int', ['void *', 'void *']),
  );
  ask(text, length);
  const [version = ''] = new TextDecoder().decode(text.subarray(0, length[0])).split(/[\n,\0]/);
  const description = `${version.replace(/\s+/g, ' ').replace('Version: ', '').trim()} (${file})`;
  if (has(handle, 'ompi_mpi_comm_world')) return { abi: 'openmpi', description };
  return { abi: path.basename(file).startsWith('libmpi_abi') ? 'mpi5' : 'mpich', description };
}

function symbolOf<T>(handle: LibraryHandle, file: string, find: () => T): T {
  try {
    return find();
  } catch (thrown) {
    handle.unload();
    throw new UsageError('ESP_MPI_LIBRARY', `data-parallel: ${file} is not an MPI library: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function has(handle: LibraryHandle, symbol: string): boolean {
  try {
    handle.symbol(symbol);
    return true;
  } catch {
    return false;
  }
}
