import { readdir, rename, rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { retried } from '../../files/contract.js';
import { CHECKPOINT_FILES, DELETING, REPLACED, WRITING } from './files.js';

const TRANSIENT = new RegExp(`^\\d+(-emergency)?(${[WRITING, REPLACED, DELETING].map((s) => `\\${s}`).join('|')})$`);
const KEPT = /^\d+(-emergency)?(\.(aside|damaged))?$/;
const POINTER = /^(latest|best)$/;
const PROBE = /^\.probe-\d+$/;

/**
 * Deletes a checkpoint: renamed first, so that a process killed here leaves none that is half there. Files in its
 * folder that are not a checkpoint's stay, and the folder with them.
 * @returns false where the folder is not recognisably a checkpoint: nothing is touched
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
 * Cleans up what killed processes left in a folder of checkpoints. A checkpoint set aside while its successor was
 * renamed into place gets its name back, unless the successor is there.
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

/** Deletes everything in a folder of checkpoints that runs wrote there, and nothing else. */
export async function removeAllCheckpoints(checkpoints: string): Promise<void> {
  for (const name of await namesIn(checkpoints)) {
    const entry = path.join(checkpoints, name);
    if (TRANSIENT.test(name) || KEPT.test(name)) await removeCheckpoint(entry);
    else if (POINTER.test(name) || PROBE.test(name)) await unlink(entry);
  }
}

/** By its name and by the files in it: other programs call folders by numbers too. */
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

/** Whether a run calls something in its folder of checkpoints like that. */
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
