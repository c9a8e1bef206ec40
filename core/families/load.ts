import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { slotKeys } from '../config/slot-keys.js';
import { isUsageError, messageOf, UsageError } from '../errors.js';
import { resolveFrom } from '../paths.js';
import { builtInFamilies } from './family.js';
import { importOutside } from './outside.js';
import { installedPackages, packageFamilies } from './packages.js';
import { isPluginPath } from './plugin-path.js';
import { pluginOptions, type PluginClass, type PluginOptions } from '../plugins/plugin.js';

/** A plugin class with its options and where it was found. */
export interface FoundPlugin {
  readonly options: PluginOptions;
  readonly class: PluginClass;
  /** `built-in`, a package name or a file. */
  readonly source: string;
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
export function pluginPackages(cwd: string): string[] {
  const packages = installedPackages(cwd).filter(({ family }) => family === undefined);
  return packages.flatMap(({ name }) => [name.replace('espalier-plugin-', ''), name]);
}

let builtIn: ReadonlyMap<string, string> | undefined;

/** Returns the files of the built-in plugins, by name. */
export function builtInPlugins(): ReadonlyMap<string, string> {
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
export function packagedPlugins(cwd: string): Map<string, PackagedPlugin> {
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

export async function loadPackaged({ name, file, source }: PackagedPlugin): Promise<FoundPlugin> {
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
