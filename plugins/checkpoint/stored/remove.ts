import { readdir, rename, rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { retried } from '../../files/contract.js';
import { CHECKPOINT_FILES, DELETING, REPLACED, WRITING } from './files.js';

const TRANSIENT = new RegExp(`^\\d+(-emergency)?(${[WRITING, REPLACED, DELETING].map((s) => `\\${s}`).join('|')})$`);
const KEPT = /^\d+(-emergency)?(\.(aside|damaged))?$/;
const POINTER = /^(latest|best)$/;
const PROBE = /^\.probe-\d+$/;

/**
 * Deletes a checkpoint. Renames it first, so that a process killed here leaves no partial checkpoint. Foreign files in
 * the folder stay, and the folder with them.
 * @returns false if the folder is not recognisably a checkpoint; nothing is deleted then
 */
export async function removeCheckpoint(folder: string): Promise<boolean> {
  if (!(await isCheckpointFolder(folder))) return false;
  const name = path.basename(folder);
  const doomed = TRANSIENT.test(name) ? folder : `${folder.replace(/\.(aside|damaged)$/, '')}${DELETING}`;
  if (doomed !== folder) {
    await removeFiles(doomed);
    await retried(() => rename(folder, doomed));
  }
  await removeFiles(doomed);
  return true;
}

/**
 * Cleans up what killed processes left in a folder of checkpoints. A `.replaced` checkpoint gets its name back, unless
 * its successor exists.
 */
export async function recoverCheckpoints(checkpoints: string): Promise<void> {
  const names = await namesIn(checkpoints);
  for (const name of names) {
    if (!TRANSIENT.test(name)) continue;
    const folder = path.join(checkpoints, name);
    const final = folder.slice(0, -path.extname(folder).length);
    if (name.endsWith(REPLACED) && !names.includes(path.basename(final))) await retried(() => rename(folder, final));
    else await removeCheckpoint(folder);
  }
}

/** Deletes everything that runs wrote to a folder of checkpoints, and nothing else. */
export async function removeAllCheckpoints(checkpoints: string): Promise<void> {
  for (const name of await namesIn(checkpoints)) {
    const entry = path.join(checkpoints, name);
    if (TRANSIENT.test(name) || KEPT.test(name)) await removeCheckpoint(entry);
    else if (POINTER.test(name) || PROBE.test(name)) await unlink(entry);
  }
}

/** Returns whether a folder is a checkpoint, by its name and its files: other programs number their folders, too. */
export async function isCheckpointFolder(folder: string): Promise<boolean> {
  const name = path.basename(folder);
  let files: string[];
  try {
    files = await readdir(folder);
  } catch {
    return false;
  }
  if (TRANSIENT.test(name)) return files.every((file) => CHECKPOINT_FILES.includes(file));
  return KEPT.test(name) && files.some((file) => ['manifest.json', 'state.json'].includes(file));
}

/** Returns whether a name is one that runs use in a folder of checkpoints. */
export function isCheckpointEntry(name: string): boolean {
  return [TRANSIENT, KEPT, POINTER, PROBE].some((each) => each.test(name)) || name.startsWith('.');
}

async function removeFiles(folder: string): Promise<void> {
  for (const file of await namesIn(folder)) {
    if (CHECKPOINT_FILES.includes(file)) await unlink(path.join(folder, file));
  }
  await rmdir(folder).catch((thrown: unknown) => {
    if (!(thrown instanceof Error && 'code' in thrown && ['ENOENT', 'ENOTEMPTY'].includes(String(thrown.code))))
      throw thrown;
  });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return [];
    throw thrown;
  }
}
