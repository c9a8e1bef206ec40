import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** Paths of the folders in a folder; none where it is no folder. */
export function foldersIn(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
}
