import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { threadId } from 'node:worker_threads';
import { flushFile } from './flush.js';
import { retried, retriedSync } from './retried.js';

/** Temporary name, in the same folder, of a file being written: `.NAME.PID-THREAD-COUNT.unfinished`. */
const UNFINISHED = /^\..+\.\d+-\d+-\d+\.unfinished$/;
const DEFAULT_MODE = 0o666;
let count = 0;

/**
 * Writes a file atomically: if the process is killed or the disk is full, the old content stays. Writes to a temporary
 * name, flushes to disk, then renames. Follows links and keeps the mode of an existing file.
 * @param content the content, or a function that writes it in pieces
 * @throws the system's error, or the function's; no temporary file is left then
 */
export async function writeWhole(
  file: string,
  content: string | Uint8Array | ((file: FileHandle) => Promise<void>),
): Promise<void> {
  const { target, beside, mode } = placesOf(file);
  try {
    const handle = await open(beside, beside === target ? 'w' : 'wx', mode);
    try {
      if (typeof content === 'function') await content(handle);
      else await handle.writeFile(content);
      if (beside !== target) await flushFile(handle);
    } finally {
      await handle.close();
    }
    if (beside !== target) await retried(() => rename(beside, target));
  } catch (thrown) {
    if (beside !== target) await rm(beside, { force: true });
    throw thrown;
  }
}

/** Like `writeWhole`, synchronously. */
export function writeWholeSync(file: string, content: string | Uint8Array): void {
  const { target, beside, mode } = placesOf(file);
  try {
    const descriptor = openSync(beside, beside === target ? 'w' : 'wx', mode);
    try {
      writeFileSync(descriptor, content);
      if (beside !== target) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (beside !== target) {
      retriedSync(() => {
        renameSync(beside, target);
      });
    }
  } catch (thrown) {
    if (beside !== target) rmSync(beside, { force: true });
    throw thrown;
  }
}

/** Deletes temporary files that killed processes have left in a folder. No other process may be writing there. */
export function removeUnfinished(folder: string): void {
  for (const name of namesIn(folder)) if (UNFINISHED.test(name)) rmSync(path.join(folder, name), { force: true });
}

/** Returns where to write first: the target itself if it is a device or a pipe, such as `/dev/stdout`. */
function placesOf(file: string): { target: string; beside: string; mode: number } {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there === undefined) return { target: file, beside: unfinishedBeside(file), mode: DEFAULT_MODE };
  if (!there.isFile()) return { target: file, beside: file, mode: DEFAULT_MODE };
  const target = realpathSync(file);
  return { target, beside: unfinishedBeside(target), mode: there.mode };
}

/** Returns a temporary name for a file being written, which `removeUnfinished` recognises. */
export function unfinishedBeside(file: string): string {
  const tag = `${String(process.pid)}-${String(threadId)}-${String(count++)}`;
  return path.join(path.dirname(file), `.${path.basename(file)}.${tag}.unfinished`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
