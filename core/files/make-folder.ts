import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes a folder and those above it that are missing. Node's own `recursive` never ends where a parent is there and
 * says that it is not when something is made in it, as `/proc` does.
 * @returns the topmost that was made; undefined when the folder was there
 */
export function makeFolder(folder: string): string | undefined {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return undefined;
  const above = path.dirname(folder);
  const topmost = above === folder ? undefined : makeFolder(above);
  try {
    mkdirSync(folder);
  } catch (thrown) {
    // Another process was faster.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw thrown;
    return topmost;
  }
  return topmost ?? folder;
}
