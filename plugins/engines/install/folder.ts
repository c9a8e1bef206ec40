import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { EspalierError, messageOf } from '../../../core/index.js';
import { makeFolder, removeOnExit } from '../../files/contract.js';

const GIGABYTE = 1e9;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Makes a folder of the cache whole: it is made under another name, which then takes the place of what is there.
 * @param bytes that the disk must have free
 * @param make fills the folder that it is given; when it throws, nothing is left
 * @throws EspalierError if the folder around it cannot be made, or the disk is too small
 */
export async function installInto<T>(folder: string, bytes: number, make: (work: string) => Promise<T>): Promise<T> {
  const parent = path.dirname(folder);
  try {
    makeFolder(parent);
  } catch (thrown) {
    throw new EspalierError(
      'ESP_ENGINE',
      `${parent} cannot be made: ${messageOf(thrown)}; set ESPALIER_CACHE to a folder that can be written`,
    );
  }
  removeAbandoned(folder);
  requireSpace(parent, bytes);
  const work = mkdtempSync(`${folder}.tmp-`);
  const keep = removeOnExit(work);
  try {
    const made = await make(work);
    replace(folder, work);
    return made;
  } finally {
    rmSync(work, { recursive: true, force: true });
    keep();
  }
}

function replace(folder: string, work: string): void {
  // Named like an unfinished copy, so that a later install removes it if this one is killed here.
  const old = `${folder}.tmp-old-${String(process.pid)}`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(work, folder);
  // May still be in use: a process keeps the libraries that it has loaded.
  rmSync(old, { recursive: true, force: true });
}

/** Removes what killed installs left; newer folders may belong to another process. */
function removeAbandoned(folder: string): void {
  const parent = path.dirname(folder);
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(`${path.basename(folder)}.tmp-`))) {
    const left = path.join(parent, name);
    if (Date.now() - statSync(left).mtimeMs > DAY_MS) rmSync(left, { recursive: true, force: true });
  }
}

/** @throws EspalierError if the disk has fewer bytes */
function requireSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const [needed, there] = [bytes, free].map((size) => (size / GIGABYTE).toFixed(1));
  throw new EspalierError(
    'ESP_ENGINE',
    `${folder} needs ${needed ?? ''} GB and has ${there ?? ''} GB free; set ESPALIER_CACHE to a folder on another disk`,
  );
}
