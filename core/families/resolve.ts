import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { suggestion } from '../config/nearest.js';
import { isSection, pathKey } from '../config/composed.js';
import { jsonSchemaOf, propertiesOf } from '../config/json-schema.js';
import { defaultOf, shortNameIn, slotKeys } from '../config/slot-keys.js';
import { isUsageError, messageOf, UsageError } from '../errors.js';
import { resolveFrom } from '../paths.js';
import { builtInFamilies } from './family.js';
import { importOutside } from './outside.js';
import { installedPackages, packageFamilies } from './packages.js';
import { isPluginPath } from './plugin-path.js';
import { pluginOptions, type PluginClass, type PluginOptions, type Slot } from '../plugins/plugin.js';

/** A plugin class with its options and where it was found. */
export interface FoundPlugin {
  readonly options: PluginOptions;
  readonly class: PluginClass;
  /** `built-in`, a package name or a file. */
  readonly source: string;
}

/**
 * Finds and loads a plugin: a built-in one, one of a package that the project depends on, `espalier-plugin-NAME` (or
 * `@scope/espalier-plugin-NAME`), or a path relative to `cwd`, in this order.
 * @param slot the slot that it is to fill, if any
 * @param shown the name to print in errors
 * @throws UsageError if it does not exist, does not load, or cannot fill the slot
 */
export async function findPlugin(name: string, cwd: string, slot?: Slot, shown = name): Promise<FoundPlugin> {
  const found = await findQuietly(name, cwd, slot, shown);
  if (found === undefined) throw await unknownPlugin(name, cwd, slot);
  return fitting(found, shown, slot);
}

/** Returns the plugin if it can fill the slot. @throws UsageError if it cannot */
export function fitting(found: FoundPlugin, shown: string, slot: Slot | undefined): FoundPlugin {
  if (found.options.slot !== slot) throw wrongSlot(found, shown, slot);
  return found;
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

/** Returns a plugin given as a class. @throws UsageError if it has no `@Plugin` */
export function foundClass(of: PluginClass, place: string): FoundPlugin {
  const options = pluginOptions(of);
  const source = `class ${of.name}`;
  if (options === undefined) {
    throw new UsageError('ESP_PLUGIN_EXPORT', `${place}: ${source} has no @Plugin; give it one, with a name`);
  }
  return { options, class: of, source };
}

/** Returns the names of the built-in plugins. */
export function builtInNames(): string[] {
  return [...builtInPlugins().keys()].sort();
}

/** Returns the names of built-in plugins, of those in packages of a folder's project, and of plugin packages. */
export function knownNames(cwd: string): string[] {
  return [...builtInPlugins().keys(), ...packagedPlugins(cwd).keys(), ...pluginPackages(cwd)].sort();
}

/** Returns the names that configs may give to `espalier-plugin-NAME`: NAME alone, or all of it. */
function pluginPackages(cwd: string): string[] {
  const packages = installedPackages(cwd).filter(({ family }) => family === undefined);
  return packages.flatMap(({ name }) => [name.replace('espalier-plugin-', ''), name]);
}

let builtIn: ReadonlyMap<string, string> | undefined;

/** Returns the files of the built-in plugins, by name. */
function builtInPlugins(): ReadonlyMap<string, string> {
  builtIn ??= new Map(
    builtInFamilies().flatMap(({ name: family, plugins }) => {
      const slot = Object.values(slotKeys).find((each) => each.family === family);
      return [...plugins].map(([name, file]): [string, string] => [slot?.fullName(name) ?? name, file]);
    }),
  );
  return builtIn;
}

interface PackagedPlugin {
  readonly name: string;
  readonly file: string;
  /** Name of the package. */
  readonly source: string;
}

/** Returns the plugins of packages, by name. @throws UsageError if two have the same name */
function packagedPlugins(cwd: string): Map<string, PackagedPlugin> {
  const found = new Map<string, PackagedPlugin>();
  for (const { source, plugins } of packageFamilies(cwd)) {
    for (const [name, file] of plugins) {
      const other = isOurs(name) ? 'espalier' : found.get(name)?.source;
      if (other !== undefined) {
        throw new UsageError(
          'ESP_PLUGIN_TWICE',
          `two plugins are named ${name}: one of ${other}, one of the package ${source}; remove a package, or rename its plugin`,
        );
      }
      found.set(name, { name, file, source });
    }
  }
  return found;
}

/** Returns whether a name is a built-in plugin's, in full or as configs write it. */
function isOurs(name: string): boolean {
  return builtInPlugins().has(name) || builtInFamilies().some(({ plugins }) => plugins.has(name));
}

async function loadPackaged({ name, file, source }: PackagedPlugin): Promise<FoundPlugin> {
  const { exports } = await load(`${name} of the package ${source}`, () => importOutside(file));
  const found = pluginOf(exports, name, source);
  const { name: own, slot } = found.options;
  if (own === name || (slot !== undefined && own === slotKeys[slot].fullName(name))) return found;
  throw new UsageError(
    'ESP_PLUGIN_EXPORT',
    `plugin ${own} of the package ${source} is in ${path.basename(file)}: a plugin is found by its file name; give both the same name`,
  );
}

/** Loads all built-in and packaged plugins, and collects those that fail to load. */
export async function loadAll(cwd: string): Promise<{ plugins: FoundPlugin[]; broken: BrokenPlugin[] }> {
  const { plugins, broken } = await loadBuiltIns();
  for (const each of packagedPlugins(cwd).values()) {
    try {
      plugins.push(await loadPackaged(each));
    } catch (thrown) {
      if (!(thrown instanceof UsageError)) throw thrown;
      broken.push({ name: each.name, source: each.source, error: thrown });
    }
  }
  return { plugins, broken };
}

/** A built-in or packaged plugin that does not load on this machine, for example because a binary is missing. */
export interface BrokenPlugin {
  readonly name: string;
  /** `built-in`, or the name of the package. */
  readonly source: string;
  readonly error: UsageError;
}

/**
 * Loads built-in plugins by name, and collects those that fail to load, which the user may not need.
 * @param names load only these built-in plugins (default: all)
 */
export async function loadBuiltIns(
  names?: readonly string[],
): Promise<{ plugins: FoundPlugin[]; broken: BrokenPlugin[] }> {
  const all = await Promise.all(
    builtInNames()
      .filter((name) => names === undefined || names.includes(name))
      .map(async (name) => {
        try {
          return await loadBuiltIn(name);
        } catch (thrown) {
          if (!(thrown instanceof UsageError)) throw thrown;
          return { name, source: 'built-in', error: thrown };
        }
      }),
  );
  return {
    plugins: all.filter((each) => 'class' in each).sort((a, b) => (a.options.name < b.options.name ? -1 : 1)),
    broken: all.filter((each) => 'error' in each),
  };
}

export async function loadBuiltIn(name: string): Promise<FoundPlugin> {
  const file = builtInPlugins().get(name) ?? name;
  return pluginOf(await load<unknown>(name, () => import(pathToFileURL(file).href)), name, 'built-in');
}

/** Finds a plugin from outside, for any slot; undefined if no package has that name and it is not a path. */
export async function findOutside(name: string, cwd: string, shown = name): Promise<FoundPlugin | undefined> {
  const packaged = packagedPlugins(cwd).get(name);
  if (packaged !== undefined) return loadPackaged(packaged);
  const file = isPluginPath(name) ? resolveFrom(cwd, name) : packageFile(name, cwd);
  if (file === undefined) return undefined;
  if (!existsSync(file)) throw new UsageError('ESP_PLUGIN_NOT_FOUND', `plugin ${shown}: there is no file ${file}`);
  if (isBareFolder(file)) {
    throw new UsageError('ESP_PLUGIN_NOT_FOUND', `plugin ${shown}: ${file} is a folder; give a file in it`);
  }
  const { exports } = await load(shown, () => importOutside(file));
  return pluginOf(exports, shown, file);
}

/** Returns true for a folder that cannot be loaded as a module. */
function isBareFolder(file: string): boolean {
  return (
    statSync(file).isDirectory() &&
    !readdirSync(file).some((name) => /^(?:index\.[cm]?[jt]s|package\.json)$/.test(name))
  );
}

function packageFile(name: string, cwd: string): string | undefined {
  const [scope, rest = ''] = name.startsWith('@') ? name.split('/') : [undefined, name];
  const packageName = scope === undefined ? `espalier-plugin-${name}` : `${scope}/espalier-plugin-${rest}`;
  for (const candidate of [packageName, name]) {
    try {
      return createRequire(path.join(cwd, 'noop.js')).resolve(candidate);
    } catch {
      continue;
    }
  }
  return undefined;
}

async function load<T>(name: string, importer: () => Promise<T>): Promise<T> {
  try {
    return await importer();
  } catch (thrown) {
    if (isUsageError(thrown)) throw thrown;
    throw new UsageError('ESP_PLUGIN_LOAD', `plugin ${name} failed to load: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function pluginOf(module: unknown, name: string, source: string): FoundPlugin {
  const exported = typeof module === 'object' && module !== null ? Object.values(module) : [];
  const classes = [...new Set(exported)].filter(isPluginClass);
  const [only] = classes;
  const options = pluginOptions(only);
  if (only === undefined || options === undefined || classes.length > 1) {
    const count = classes.length === 0 ? 'no class' : `${String(classes.length)} classes`;
    throw new UsageError(
      'ESP_PLUGIN_EXPORT',
      `plugin ${name} (${source}) exports ${count} with @Plugin; export exactly one`,
    );
  }
  return { options, class: only, source };
}

function isPluginClass(value: unknown): value is PluginClass {
  return pluginOptions(value) !== undefined;
}

/** Suggests how to write the path if the name is an existing plugin file; undefined for other names. */
export function pathAdvice(name: string, cwd: string): string | undefined {
  if (!/\.[cm]?[jt]s$/.test(name) || !existsSync(path.resolve(cwd, name))) return undefined;
  return `a plugin path starts with ./; write ./${name}`;
}

async function unknownPlugin(name: string, cwd: string, slot: Slot | undefined): Promise<UsageError> {
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

function wrongSlot(found: FoundPlugin, name: string, slot: Slot | undefined): UsageError {
  const can =
    found.options.slot === undefined ? 'is a feature, configured under `plugins`' : `fills \`${found.options.slot}\``;
  const asked = slot === undefined ? '`plugins`' : `\`${slot}\``;
  return new UsageError('ESP_PLUGIN_SLOT', `${name} cannot be used as ${asked}: plugin ${found.options.name} ${can}`);
}
