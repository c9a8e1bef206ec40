import { homedir } from 'node:os';
import path from 'node:path';

/**
 * Returns this user's cache folder for files that can be recreated: `espalier` in `ESPALIER_CACHE`, else in `~/.cache`.
 */
export function cacheFolder(): string {
  const { ESPALIER_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = [ESPALIER_CACHE, XDG_CACHE_HOME].find((folder) => folder !== undefined && folder !== '');
  return path.join(path.resolve(cache ?? path.join(homedir(), '.cache')), 'espalier');
}
