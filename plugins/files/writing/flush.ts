import { fsync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

const flushDescriptor = promisify(fsync);

/** Flushes a file to disk. Uses `fsync` since Yarn's Plug'n'Play replaces `FileHandle` by one without `sync`. */
export function flushFile({ fd }: FileHandle): Promise<void> {
  return flushDescriptor(fd);
}

/** Errors of file systems that cannot flush folders (some network and FUSE mounts). */
const UNSUPPORTED: readonly (string | undefined)[] = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * Flushes a folder's entries to disk, so files created, renamed or removed in it stay so after a power cut. Does
 * nothing on Windows, which has no such call (`EPERM`) and journals its entries, or on a file system that does not
 * support it.
 *
 * @throws the system's error when the folder does not exist or the disk fails
 */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await flushFile(handle);
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && UNSUPPORTED.includes(String(thrown.code)))) throw thrown;
  } finally {
    await handle.close();
  }
}
