import { spawnSync } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import path from 'node:path';

/** Result of trying to take an operating-system lock on a file. */
export type OsLock =
  /** Held until the descriptor is closed or the process ends, whatever ends it. */
  | { readonly state: 'held'; readonly descriptor: number }
  | { readonly state: 'taken' }
  /** The file system, or this machine, has no locks. */
  | { readonly state: 'unsupported' };

/** Operations of `flock(2)`. */
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
/** libuv's `UV_FS_O_EXLOCK`: `O_EXLOCK` of `open(2)` on macOS, opening without sharing on Windows. */
const EXCLUSIVE_OPEN: Partial<Record<NodeJS.Platform, number>> = { darwin: 0x20, win32: 0x10000000 };
const TAKEN = ['EAGAIN', 'EWOULDBLOCK', 'EBUSY'];
const UNSUPPORTED = ['ENOTSUP', 'EOPNOTSUPP', 'ENOLCK', 'ENOSYS', 'EINVAL'];

/**
 * Tries to take an exclusive lock that ends with this process, without waiting: `flock` on Linux (over NFS, a lock on
 * the server), an exclusive open on macOS and Windows.
 * @param create whether to create a missing file
 * @throws the system's error when the file cannot be opened
 */
export async function takeOsLock(file: string, create: boolean): Promise<OsLock> {
  const flags = constants.O_RDWR | (create ? constants.O_CREAT : 0);
  const exclusive = EXCLUSIVE_OPEN[process.platform];
  // Check before creating the file: without locks it must be created together with its content.
  if (exclusive === undefined && !(await hasFlock(path.dirname(file)))) return { state: 'unsupported' };
  for (;;) {
    let descriptor: number;
    try {
      descriptor = openSync(file, exclusive === undefined ? flags : flags | exclusive | nonBlocking());
    } catch (thrown) {
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
      if (exclusive !== undefined && TAKEN.includes(code)) return { state: 'taken' };
      if (exclusive !== undefined && UNSUPPORTED.includes(code)) return { state: 'unsupported' };
      throw thrown;
    }
    const state = exclusive === undefined ? await flocked(descriptor, LOCK_EX) : 'held';
    if (state === 'held' && isAt(file, descriptor)) return { state, descriptor };
    closeSync(descriptor);
    // Held, but no longer at this path: the previous owner released and deleted the file in between. Try again.
    if (state !== 'held') return { state };
  }
}

function nonBlocking(): number {
  return process.platform === 'win32' ? 0 : constants.O_NONBLOCK;
}

/** Returns whether the path still leads to the open file. */
function isAt(file: string, descriptor: number): boolean {
  const there = statSync(file, { bigint: true, throwIfNoEntry: false });
  const open = fstatSync(descriptor, { bigint: true });
  return there?.ino === open.ino && there.dev === open.dev;
}

async function hasFlock(folder: string): Promise<boolean> {
  const descriptor = openSync(folder, 'r');
  try {
    return (await flocked(descriptor, LOCK_SH)) !== 'unsupported';
  } finally {
    closeSync(descriptor);
  }
}

type Flock = (descriptor: number, kind: typeof LOCK_SH | typeof LOCK_EX) => OsLock['state'];
let flock: Promise<Flock> | undefined;

async function flocked(...[descriptor, kind]: Parameters<Flock>): Promise<OsLock['state']> {
  flock ??= libraryFlock().catch(() => flockCommand);
  return (await flock)(descriptor, kind);
}

async function libraryFlock(): Promise<Flock> {
  const { default: koffi } = await import('koffi');
  const call: (descriptor: number, operation: number) => number = koffi.load(null).func('flock', 'int', ['int', 'int']);
  return (descriptor, kind) => {
    if (call(descriptor, kind | LOCK_NB) === 0) return 'held';
    return koffi.errno() === koffi.os.errno['EAGAIN'] ? 'taken' : 'unsupported';
  };
}

/** Without koffi: the `flock` command locks the descriptor it inherits, which also locks it for this process. */
function flockCommand(...[descriptor, kind]: Parameters<Flock>): OsLock['state'] {
  const { status } = spawnSync('flock', [kind === LOCK_EX ? '-xn' : '-sn', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
  });
  return status === 0 ? 'held' : status === 1 ? 'taken' : 'unsupported';
}
