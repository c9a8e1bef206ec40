import { existsSync } from 'node:fs';
import path from 'node:path';
import type { LoadedCheckpoint } from '../../../core/index.js';
import { configWithPluginPaths } from '../../configs/contract.js';

/**
 * Returns a checkpoint's config with the paths of plugins made valid in `cwd`. Paths are stored relative to the run
 * folder, since run and plugins may have moved together. If no file is there because only the run has moved, the path
 * is resolved from `cwd` as it was from the folder that the run was started in.
 */
export function storedConfig(
  { path: checkpoint, state }: Pick<LoadedCheckpoint, 'path' | 'state'>,
  cwd: string,
): Record<string, unknown> {
  const runFolder = path.dirname(path.dirname(checkpoint));
  const place = (name: string): string => {
    if (state.cwd === undefined) return path.resolve(cwd, name);
    const file = path.resolve(runFolder, name);
    return existsSync(file) ? file : path.resolve(cwd, path.relative(path.resolve(runFolder, state.cwd), file));
  };
  return configWithPluginPaths(state.config, place, cwd);
}
