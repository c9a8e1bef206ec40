import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** Returns the paths of a folder's subfolders; empty if it is not a folder. */
export function foldersIn(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(folder, entry.name));
}
