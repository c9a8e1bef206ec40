import { existsSync } from 'node:fs';
import path from 'node:path';
import { isSection, pathKey } from '../config/composed.js';
import { jsonSchemaOf, propertiesOf } from '../config/json-schema.js';
import { suggestion } from '../config/nearest.js';
import { defaultOf, shortNameIn, slotKeys } from '../config/slot-keys.js';
import { UsageError } from '../errors.js';
import type { PluginOptions, Slot } from '../plugins/plugin.js';
import { loadAll, pluginPackages, type FoundPlugin } from './load.js';

/** Returns the error for a name that no plugin of the slot has, with the nearest names. */
export async function unknownPlugin(name: string, cwd: string, slot: Slot | undefined): Promise<UsageError> {
  const unknown = `unknown ${slot === undefined ? 'plugin' : slotKeys[slot].label} "${name}"`;
  const advice = pathAdvice(name, cwd);
  if (advice !== undefined) return new UsageError('ESP_PLUGIN_NOT_FOUND', `${unknown}: ${advice}`);
  const affix = slot === undefined ? '' : slotKeys[slot].fullName('');
  const { plugins, broken } = await loadAll(cwd);
  const fitting = plugins.filter(({ options }) => options.slot === slot).map(({ options }) => options.name);
  // A plugin that fails to load cannot say which slot it fills, but its name may.
  const likely = broken
    .map((each) => each.name)
    .filter((each) => (affix === '' ? slot === undefined : each.includes(affix)));
  const known = [...fitting, ...likely, ...pluginPackages(cwd)].map((full) =>
    slot === undefined ? full : shortNameIn(slot, full),
  );
  const filling = slot === undefined ? undefined : plugins.find(({ options }) => isDefault(options, slot));
  const meant = slot === undefined || filling === undefined ? '' : inputsOf(filling, slotKeys[slot].path);
  return new UsageError(
    'ESP_PLUGIN_NOT_FOUND',
    `${unknown}: ${suggestion(name, known, 'built-in ones')} (\`espalier plugins\` lists all; a path starts with ./)${meant}`,
  );
}

/** Suggests how to write the path if the name is an existing plugin file; undefined for other names. */
export function pathAdvice(name: string, cwd: string): string | undefined {
  if (!/\.[cm]?[jt]s$/.test(name) || !existsSync(path.resolve(cwd, name))) return undefined;
  return `a plugin path starts with ./; write ./${name}`;
}

function isDefault({ name, slot }: PluginOptions, of: Slot): boolean {
  const named = defaultOf(slotKeys[of]);
  return slot === of && [named, slotKeys[of].fullName(named)].includes(name);
}

/**
 * `data=book.txt` is short for `data.use=book.txt`, but data.text was meant: suggests options marked `meta({ input })`.
 */
function inputsOf({ options: { config } }: FoundPlugin, path: readonly string[]): string {
  const properties = config === undefined ? {} : propertiesOf(jsonSchemaOf(config));
  const inputs = Object.entries(properties).flatMap(([key, property]) => {
    const input = isSection(property) ? property['input'] : undefined;
    return typeof input === 'string' ? [{ input, key: pathKey([...path, key]) }] : [];
  });
  return inputs
    .map(({ input, key }, i) => `${i === 0 ? '; ' : ', '}${input} ${i === 0 ? 'is named ' : ''}by ${key}`)
    .join('');
}

/** Returns the error for a plugin that cannot fill the slot. */
export function wrongSlot(found: FoundPlugin, name: string, slot: Slot | undefined): UsageError {
  const can =
    found.options.slot === undefined ? 'is a feature, configured under `plugins`' : `fills \`${found.options.slot}\``;
  const asked = slot === undefined ? '`plugins`' : `\`${slot}\``;
  return new UsageError('ESP_PLUGIN_SLOT', `${name} cannot be used as ${asked}: plugin ${found.options.name} ${can}`);
}
