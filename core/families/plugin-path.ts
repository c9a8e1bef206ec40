import path from 'node:path';
import { homeExpanded } from '../paths.js';

/** Whether a plugin is named by the path of its file; a path starts with a dot or `~/`, or is absolute. */
export function isPluginPath(name: string): boolean {
  return name.startsWith('.') || path.isAbsolute(homeExpanded(name));
}

/**
 * A plugin's name where its relative path starts from `folder`; other names stay.
 * @param place the absolute path that it leads to
 */
export function pluginPathFrom(folder: string, name: string, place: (name: string) => string): string {
  return isPluginPath(name) && !path.isAbsolute(name) ? relativePath(folder, place(name)) : name;
}

/** With a dot before it, so that it is known as a path. */
export function relativePath(folder: string, file: string): string {
  const relative = path.relative(folder, file).replaceAll(path.sep, '/');
  return path.isAbsolute(relative) || relative.startsWith('../') ? relative : `./${relative}`;
}
