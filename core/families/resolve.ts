import { existsSync } from 'node:fs';
import path from 'node:path';
import { configs } from '../config/configs.js';
import { suggestion } from '../config/nearest.js';
import { slotKeys } from '../config/slot-keys.js';
import { UsageError } from '../errors.js';
import type { Slot } from '../plugins/plugin.js';
import {
  builtInPlugins,
  findOutside,
  knownNames,
  loadBuiltIn,
  loadPackaged,
  packagedPlugins,
  type FoundPlugin,
} from './load.js';

/**
 * Finds and loads a plugin: a built-in one, one of a package that the project depends on, `espalier-plugin-NAME` (or
 * `@scope/espalier-plugin-NAME`), or a path relative to `cwd`, in this order.
 * @param slot the slot that it is to fill, if any
 * @param shown the name to print in errors
 * @throws UsageError if it does not exist, does not load, or cannot fill the slot
 */
export async function findPlugin(name: string, cwd: string, slot?: Slot, shown = name): Promise<FoundPlugin> {
  const found = await findQuietly(name, cwd, slot, shown);
  if (found === undefined) throw await (await configs()).unknownPlugin(name, cwd, slot);
  return fitting(found, shown, slot);
}

/** Returns the plugin if it can fill the slot. @throws UsageError if it cannot */
export function fitting(found: FoundPlugin, shown: string, slot: Slot | undefined): FoundPlugin {
  const { name, slot: filled } = found.options;
  if (filled === slot) return found;
  const can = filled === undefined ? 'is a feature, configured under `plugins`' : `fills \`${filled}\``;
  const asked = slot === undefined ? '`plugins`' : `\`${slot}\``;
  throw new UsageError('ESP_PLUGIN_SLOT', `${shown} cannot be used as ${asked}: plugin ${name} ${can}`);
}

/** Like `findPlugin`, for any slot; undefined if no plugin has that name. */
export async function findQuietly(
  name: string,
  cwd: string,
  slot?: Slot,
  shown = name,
): Promise<FoundPlugin | undefined> {
  const packaged = packagedPlugins(cwd).get(name);
  if (packaged !== undefined) return loadPackaged(packaged);
  const names = slot === undefined ? [name] : [slotKeys[slot].fullName(name), name];
  const ours = names.find((candidate) => builtInPlugins().has(candidate));
  return ours !== undefined ? loadBuiltIn(ours) : findOutside(name, cwd, shown);
}

/**
 * Returns the plugin with a name or a path, for any slot or none.
 * @throws UsageError when nothing has that name, with the nearest, or when it does not load
 */
export async function findNamed(name: string, cwd: string): Promise<FoundPlugin> {
  const found = await findQuietly(name, cwd);
  if (found !== undefined) return found;
  const advice = pathAdvice(name, cwd) ?? suggestion(name, knownNames(cwd), 'there');
  throw new UsageError(
    'ESP_PLUGIN_NOT_FOUND',
    `no plugin "${name}" comes with espalier or with a package of this project: ${advice}`,
  );
}

/** Suggests how to write the path if the name is an existing plugin file; undefined for other names. */
export function pathAdvice(name: string, cwd: string): string | undefined {
  if (!/\.[cm]?[jt]s$/.test(name) || !existsSync(path.resolve(cwd, name))) return undefined;
  return `a plugin path starts with ./; write ./${name}`;
}
