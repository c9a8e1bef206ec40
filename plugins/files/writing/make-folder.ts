import { mkdirSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder and those above it that are missing: the one place that does. Node's own `recursive` reports a read-only
 * disk as ENOENT, and never ends where a parent is there and says that it is not when something is made in it, as `/proc`
 * does.
 * @returns the topmost that was made; undefined when the folder was there
 * @throws what the system says of the topmost that cannot be made: EROFS, ENOSPC, EACCES; ENOTDIR for a file in its place
 */
export function makeFolder(folder: string): string | undefined {
  const found = statOf(folder);
  if (found?.isDirectory() === true) return undefined;
  if (found !== undefined) throw notAFolder(folder);
  const above = path.dirname(folder);
  const topmost = above === folder ? undefined : makeFolder(above);
  try {
    mkdirSync(folder);
  } catch (thrown) {
    // Another process was faster.
    if (statOf(folder)?.isDirectory() !== true) throw thrown;
    return topmost;
  }
  return topmost ?? folder;
}

/** Undefined below a file, too: it is the file that is in the way. */
function statOf(folder: string): Stats | undefined {
  try {
    return statSync(folder, { throwIfNoEntry: false });
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

function notAFolder(file: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`ENOTDIR: not a directory, mkdir '${file}'`);
  return Object.assign(error, { code: 'ENOTDIR', syscall: 'mkdir', path: file });
}
