import path from 'node:path';
import { checkpointNames, isEmergency, iterationOf, isCheckpointFolder, removeCheckpoint } from '../../../core/runs.js';

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
export async function rotateCheckpoints(
  folder: string,
  { last, every, keep, now, dryRun = false }: Rotation,
): Promise<string[]> {
  const names = (await checkpointNames(folder)).filter(
    (name) => now === undefined || iterationOf(name) <= iterationOf(now),
  );
  const newest = [...names.slice(0, 1), ...names.filter((name) => !isEmergency(name)).slice(0, last)];
  const isAtMultiple = (name: string): boolean => every > 0 && iterationOf(name) % every === 0;
  const gone = names.filter((name) => !newest.includes(name) && !keep.has(name) && name !== now && !isAtMultiple(name));
  const deleted: string[] = [];
  for (const name of gone) {
    const at = path.join(folder, name);
    if (await (dryRun ? isCheckpointFolder(at) : removeCheckpoint(at))) deleted.push(name);
  }
  return deleted;
}
