import path from 'node:path';
import { resolveFrom } from '../../../core/paths.js';
import { pluginPathFrom, slotKeyAt, type ConfigPath, type Origin } from '../../../core/runs.js';
import { flatten, merge, treeOf, type Section, type Tree } from './tree.js';

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
  return renamed(layer, [], (name, origin) => pluginPathFrom(folder, name, () => place(name, origin)));
}

/** The same for a plain config. */
export function configWithPluginPaths(
  config: Record<string, unknown>,
  place: (name: string) => string,
  folder: string,
): Record<string, unknown> {
  return flatten(withPluginPaths(treeOf(config, { originOf: () => ({ source: 'config' }) }), place, folder)).value;
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
