import { coreSchema, loadBuiltIns, pathKey, slotKeys, type ConfigPath } from '../../../core/runs.js';
import { parsePath } from '../layers/path.js';
import { describeOptions, type OptionDoc } from '../printing/options.js';

/** The dotted path of the setting that a name of another program means; undefined for any other name. */
export type SettingCalled = (name: string) => string | undefined;

/**
 * What other trainers call the settings of the core and of the built-in plugins: an option says it with
 * `meta({ aka: ['max_steps'] })`. The last key of a setting is such a name, too, where no other setting has it.
 * Loads every plugin, so it is for errors, and for what reads other programs' configs.
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

/** By dotted path. Plugins that fill one slot may have options of one name there. */
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
