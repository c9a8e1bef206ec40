import { existsSync } from 'node:fs';
import path from 'node:path';
import { homeExpanded, resolveFrom } from '../paths.js';
import { showOrigin, type ComposedConfig, type Origin } from './composed.js';
import { parsePath, type ConfigPath } from './path.js';
import { slotKeyAt } from './slot-keys.js';
import { flatten, merge, treeOf, type Section, type Tree } from './tree.js';

/** Whether a plugin is named by the path of its file; a path starts with a dot or `~/`, or is absolute. */
export function isPluginPath(name: string): boolean {
  return name.startsWith('.') || path.isAbsolute(homeExpanded(name));
}

/** The absolute path of a plugin's file, of its name where that is a relative path. */
export type PluginPlace = (name: string, origin: Origin) => string;

/** A path is relative to the file that names it; on the command line, to `cwd`. */
export function besideItsFile(cwd: string): PluginPlace {
  return (name, { file }) => resolveFrom(file === undefined ? cwd : path.dirname(file), name);
}

/**
 * The layer with relative paths of plugins, in slots and under `plugins`, made relative to `folder`: names of one file
 * are one name then, and a path means the same whichever file it came from. What was written stays in the origin.
 */
export function withPluginPaths(layer: Section, place: PluginPlace, folder: string): Section {
  return renamed(layer, [], (name, origin) =>
    isPluginPath(name) && !path.isAbsolute(name) ? relativePath(folder, place(name, origin)) : name,
  );
}

/** The same for a plain config. */
export function configWithPluginPaths(
  config: Record<string, unknown>,
  place: (name: string) => string,
  folder: string,
): Record<string, unknown> {
  return flatten(withPluginPaths(treeOf(config, { originOf: () => ({ source: 'config' }) }), place, folder)).value;
}

/** What to write in place of a path that leads nowhere, where that can be told; else nothing. */
export function otherPath(shown: string, origin: Origin | undefined, composed: ComposedConfig, cwd: string): string {
  const folder = origin?.file === undefined ? cwd : path.dirname(origin.file);
  const why = 'a path is relative to the file that names it';
  for (const [key, other] of composed.origins) {
    const [, name = ''] = parsePath(key);
    if (other.written !== shown || !key.startsWith('plugins.') || !existsSync(resolveFrom(cwd, name))) continue;
    return `; ${showOrigin(other)} has ${shown} for another file, as ${why}: write ${relativePath(folder, resolveFrom(cwd, name))} for that one`;
  }
  const inCwd = resolveFrom(cwd, shown);
  return existsSync(inCwd) ? `; ${why}: write ${relativePath(folder, inCwd)} for ${inCwd}` : '';
}

function renamed(section: Section, at: ConfigPath, rename: (name: string, origin: Origin) => string): Section {
  const children = new Map<string, Tree>();
  for (const [key, child] of section.children) {
    if (at.length === 1 && at[0] === 'plugins') {
      const name = rename(key, child.origin);
      const node = { ...child, origin: withWritten(child.origin, key, name) };
      const twin = children.get(name);
      children.set(name, twin?.kind === 'section' && node.kind === 'section' ? merge(twin, node) : node);
    } else if (child.kind === 'section') {
      children.set(key, renamed(child, [...at, key], rename));
    } else if (slotKeyAt(at)?.key === key && typeof child.value === 'string') {
      const value = rename(child.value, child.origin);
      children.set(key, { ...child, value, origin: withWritten(child.origin, child.value, value) });
    } else children.set(key, child);
  }
  return { ...section, children };
}

function withWritten(origin: Origin, written: string, name: string): Origin {
  return written === name ? origin : { ...origin, written };
}

/** With a dot before it, so that it is known as a path. */
function relativePath(folder: string, file: string): string {
  const relative = path.relative(folder, file).replaceAll(path.sep, '/');
  return path.isAbsolute(relative) || relative.startsWith('../') ? relative : `./${relative}`;
}
