import { existsSync } from 'node:fs';
import path from 'node:path';
import type { LoadedCheckpoint } from '../../../core/index.js';
import { configWithPluginPaths } from '../../configs/contract.js';

/**
 * The config of a checkpoint, with paths of plugins relative to `cwd` instead of the run's folder: run and plugins may
 * have moved together. Where there is no such file, as when the run alone has moved, the path is taken as relative to
 * `cwd` as it was to the folder that the run was started in.
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
