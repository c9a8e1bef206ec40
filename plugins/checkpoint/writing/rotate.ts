import path from 'node:path';
import { checkpointNames, isEmergency, iterationOf } from '../stored/find.js';
import { isCheckpointFolder, removeCheckpoint } from '../stored/remove.js';

export interface Rotation {
  /**
   * Number of newest checkpoints to keep, not counting emergency ones. An emergency one is kept only while it is the
   * newest.
   */
  readonly last: number;
  /** Also keep checkpoints at multiples of this many iterations; 0: none. */
  readonly every: number;
  /** Names to keep in any case. */
  readonly keep: ReadonlySet<string>;
  /** Consider only this checkpoint and older ones; default: all. */
  readonly now?: string;
  /** Delete nothing; return what would be deleted. */
  readonly dryRun?: boolean;
}

/** Deletes the checkpoints that the rotation does not keep, and returns their names, newest first. */
export async function rotateCheckpoints(folder: string, rotation: Rotation): Promise<string[]> {
  const deleted: string[] = [];
  for (const name of rotatedOut(await checkpointNames(folder), rotation)) {
    const at = path.join(folder, name);
    if (await (rotation.dryRun === true ? isCheckpointFolder(at) : removeCheckpoint(at))) deleted.push(name);
  }
  return deleted;
}

/** Returns the names to delete. @param all names, newest first */
export function rotatedOut(all: readonly string[], { last, every, keep, now }: Rotation): string[] {
  const names = all.filter((name) => now === undefined || iterationOf(name) <= iterationOf(now));
  const newest = [...names.slice(0, 1), ...names.filter((name) => !isEmergency(name)).slice(0, last)];
  const isAtMultiple = (name: string): boolean => every > 0 && iterationOf(name) % every === 0;
  return names.filter((name) => !newest.includes(name) && !keep.has(name) && name !== now && !isAtMultiple(name));
}
