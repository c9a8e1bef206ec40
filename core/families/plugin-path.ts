import path from 'node:path';
import { homeExpanded } from '../paths.js';

/** Returns whether a plugin is named by its file path, which starts with a dot or `~/`, or is absolute. */
export function isPluginPath(name: string): boolean {
  return name.startsWith('.') || path.isAbsolute(homeExpanded(name));
}

/**
 * Returns a plugin's relative path, rewritten to start from `folder`; other names stay.
 * @param place returns the absolute path of a name
 */
export function pluginPathFrom(folder: string, name: string, place: (name: string) => string): string {
  return isPluginPath(name) && !path.isAbsolute(name) ? relativePath(folder, place(name)) : name;
}

/** Starts with a dot, so that it is recognized as a path. */
export function relativePath(folder: string, file: string): string {
  const relative = path.relative(folder, file).replaceAll(path.sep, '/');
  return path.isAbsolute(relative) || relative.startsWith('../') ? relative : `./${relative}`;
}
