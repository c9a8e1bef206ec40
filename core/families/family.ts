import { existsSync, readdirSync, type Dirent } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder of plugins, with the commands and options that belong to them. */
export interface Family {
  /** The folder's name, or the package's. */
  readonly name: string;
  /** `built-in`, or the package's name. */
  readonly source: string;
  /** Absolute path. */
  readonly folder: string;
  /** Plugin files by name: `NAME.js`, or `NAME/index.js`. */
  readonly plugins: ReadonlyMap<string, string>;
  /** Command files by name: `commands/NAME.js` is `espalier NAME`. */
  readonly commands: ReadonlyMap<string, string>;
  /** Files that add options to commands, by command: `options/COMMAND.js`. */
  readonly options: ReadonlyMap<string, string>;
  /** File that declares its events: `events.js`. */
  readonly events?: string;
  /** Files that implement contracts for every run, by name: `provides/NAME.js`. */
  readonly provides: ReadonlyMap<string, string>;
  /** Folder of its presets. */
  readonly presets?: string;
}

const builtInFolder = fileURLToPath(new URL('../../plugins/', import.meta.url));
let builtIn: readonly Family[] | undefined;

/** Returns the families that come with espalier, sorted by name. */
export function builtInFamilies(): readonly Family[] {
  builtIn ??= namesOf(readdirSync(builtInFolder, { withFileTypes: true }), 'isDirectory').map((name) =>
    familyIn(path.join(builtInFolder, name), name, 'built-in'),
  );
  return builtIn;
}

/** Reads the names in a family's folder without loading anything. */
export function familyIn(folder: string, name: string, source: string): Family {
  const entries = readdirSync(folder, { withFileTypes: true });
  const plugins = modulesIn(folder, namesOf(entries, 'isFile'));
  const events = plugins.get('events');
  for (const name of ['contract', 'events']) plugins.delete(name);
  const folders = namesOf(entries, 'isDirectory');
  const within = (part: string): Map<string, string> =>
    folders.includes(part) ? modulesIn(path.join(folder, part)) : new Map<string, string>();
  for (const part of folders) {
    const index = indexes.map((file) => path.join(folder, part, file)).find((file) => existsSync(file));
    if (index !== undefined) plugins.set(part, index);
  }
  const [commands, options, provides] = [within('commands'), within('options'), within('provides')];
  return {
    ...{ name, source, folder, plugins, commands, options, provides },
    ...(events === undefined ? {} : { events }),
  };
}

const indexes = ['index.js', 'index.ts', 'index.mjs', 'index.mts'];

/** Returns the modules directly in a folder, by name. */
export function modulesIn(folder: string, files: readonly string[] = readdirSync(folder)): Map<string, string> {
  const modules = new Map<string, string>();
  for (const file of [...files].sort()) {
    // `x.d.ts` describes a module and is not one.
    const [, name] = /^([^.]+)\.[cm]?[jt]s$/.exec(file) ?? [];
    if (name !== undefined && !modules.has(name)) modules.set(name, path.join(folder, file));
  }
  return modules;
}

function namesOf(entries: readonly Dirent[], kind: 'isFile' | 'isDirectory'): string[] {
  return entries
    .filter((entry) => entry[kind]())
    .map(({ name }) => name)
    .sort();
}
