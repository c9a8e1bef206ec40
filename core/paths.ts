import { homedir } from 'node:os';
import path from 'node:path';

/** A path with the home folder in place of `~`, alone or before a slash, as shells have it; `~name` stays a name. */
export function homeExpanded(name: string): string {
  return /^~(?:$|[\\/])/.test(name) ? path.join(homedir(), name.slice(1)) : name;
}

/** Absolute path of what a config or a command names: relative to `folder`, or to the home folder after `~/`. */
export function resolveFrom(folder: string, name: string, ...below: readonly string[]): string {
  return path.resolve(folder, homeExpanded(name), ...below);
}
