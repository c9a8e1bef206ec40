import path from 'node:path';
import { checkpointNames, isEmergency, iterationOf } from '../stored/find.js';
import { isCheckpointFolder, removeCheckpoint } from '../stored/remove.js';

export interface Rotation {
  /** Newest checkpoints kept, emergency saves not counted: of these the newest checkpoint of all alone is kept. */
  readonly last: number;
  /** Those at multiples of so many iterations are kept; 0: none. */
  readonly every: number;
  /** Kept whatever their place. */
  readonly keep: ReadonlySet<string>;
  /** Only this one and older ones are looked at; all where it is not given. */
  readonly now?: string;
  /** Only say what would be deleted. */
  readonly dryRun?: boolean;
}

/** Deletes the checkpoints of a folder that the rules do not keep, and returns their names, newest first. */
export async function rotateCheckpoints(folder: string, rotation: Rotation): Promise<string[]> {
  const deleted: string[] = [];
  for (const name of rotatedOut(await checkpointNames(folder), rotation)) {
    const at = path.join(folder, name);
    if (await (rotation.dryRun === true ? isCheckpointFolder(at) : removeCheckpoint(at))) deleted.push(name);
  }
  return deleted;
}

/** Those of the names, which are newest first, that the rules do not keep. */
export function rotatedOut(all: readonly string[], { last, every, keep, now }: Rotation): string[] {
  const names = all.filter((name) => now === undefined || iterationOf(name) <= iterationOf(now));
  const newest = [...names.slice(0, 1), ...names.filter((name) => !isEmergency(name)).slice(0, last)];
  const isAtMultiple = (name: string): boolean => every > 0 && iterationOf(name) % every === 0;
  return names.filter((name) => !newest.includes(name) && !keep.has(name) && name !== now && !isAtMultiple(name));
}
