import { homedir } from 'node:os';
import path from 'node:path';

/** Where this user's `espalier` keeps what it can make or fetch again: `ESPALIER_CACHE`, else `~/.cache`, and `espalier` below. */
export function cacheFolder(): string {
  const { ESPALIER_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = [ESPALIER_CACHE, XDG_CACHE_HOME].find((folder) => folder !== undefined && folder !== '');
  return path.join(path.resolve(cache ?? path.join(homedir(), '.cache')), 'espalier');
}
