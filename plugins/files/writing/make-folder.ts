import { mkdirSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder and its missing parents. Use it instead of Node's `recursive`, which reports a read-only disk as
 * ENOENT, and never returns in places like `/proc`, where an existing parent answers that it does not exist.
 * @returns the topmost folder that was made; undefined if the folder existed
 * @throws the system's error for the topmost folder that cannot be made: EROFS, ENOSPC, EACCES; ENOTDIR if a file is in
 * its place
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
    // Another process may have made it in the meantime.
    if (statOf(folder)?.isDirectory() !== true) throw thrown;
    return topmost;
  }
  return topmost ?? folder;
}

/** Returns undefined for a path below a file, too: the error is then about the file. */
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
