import { homedir } from 'node:os';
import path from 'node:path';

/** Replaces a leading `~` with the home folder, alone or before a slash, as shells do; `~name` stays. */
export function homeExpanded(name: string): string {
  return /^~(?:$|[\\/])/.test(name) ? path.join(homedir(), name.slice(1)) : name;
}

/**
 * Returns the absolute path of a name in a config or command: relative to `folder`, or to the home folder after `~/`.
 */
export function resolveFrom(folder: string, name: string, ...below: readonly string[]): string {
  return path.resolve(folder, homeExpanded(name), ...below);
}
