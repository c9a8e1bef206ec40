import { coreSchema, loadBuiltIns, pathKey, slotKeys, type ConfigPath } from '../../../core/runs.js';
import { parsePath } from '../layers/path.js';
import { describeOptions, type OptionDoc } from '../printing/options.js';

/** Returns the dotted path of the setting that another program's name stands for; undefined for unknown names. */
export type SettingCalled = (name: string) => string | undefined;

/**
 * Collects other trainers' names for the settings of the core and the built-in plugins, which options declare with
 * `meta({ aka: ['max_steps'] })`. A setting's last key also counts as a name if it is unique.
 * Loads every plugin, so use it only for errors and for reading other programs' configs.
 */
export async function otherNames(): Promise<SettingCalled> {
  const settings = await builtInSettings();
  const named = new Map<string, string>();
  for (const [place, { aka }] of settings) for (const name of aka) if (!named.has(name)) named.set(name, place);
  const keys = [...settings].map(([place, { key }]): [string, string] => [key, place]);
  for (const [key, place] of keys) {
    if (!named.has(key) && keys.filter(([other]) => other === key).length === 1) named.set(key, place);
  }
  return (name) => named.get(name.toLowerCase().replaceAll('-', '_'));
}

interface Setting {
  readonly key: string;
  readonly aka: readonly string[];
}

/** Returns all settings by dotted path. Several plugins of a slot may have the same option. */
async function builtInSettings(): Promise<Map<string, Setting>> {
  const settings = new Map<string, Setting>();
  const add = (path: ConfigPath, options: readonly OptionDoc[]): void => {
    for (const { name, aka = [] } of options) {
      const within = parsePath(name);
      const place = pathKey([...path, ...within]);
      settings.set(place, { key: within.at(-1) ?? '', aka: [...aka, ...(settings.get(place)?.aka ?? [])] });
    }
  };
  add([], describeOptions(coreSchema));
  for (const { path, aka = [] } of Object.values(slotKeys)) {
    if (aka.length > 0) settings.set(pathKey(path), { key: path.at(-1) ?? '', aka });
  }
  for (const { options } of (await loadBuiltIns()).plugins) {
    if (options.config === undefined) continue;
    const path = options.slot === undefined ? ['plugins', options.name] : slotKeys[options.slot].path;
    add(path, describeOptions(options.config));
  }
  return settings;
}
