import { rm } from 'node:fs/promises';
import path from 'node:path';
import { checkpointNames, iterationOf } from './find.js';

export interface Rotation {
  /** Newest checkpoints kept. */
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
  const gone = names
    .slice(last)
    .filter((name) => !keep.has(name) && name !== now && !(every > 0 && iterationOf(name) % every === 0));
  if (!dryRun) for (const name of gone) await rm(path.join(folder, name), { recursive: true, force: true });
  return gone;
}
