// Finds the native engine's addon: the one that was built here, or the optional package for this platform.
// Plain JavaScript, because the install script needs it before anything is compiled.
import { Buffer } from 'node:buffer';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/** Where the addon is built. */
export const builtAddon = path.join(here, 'build', 'Release', 'espalier_native.node');

/** The optional package for this platform. */
export const prebuiltPackage = `@espalier/native-${process.platform}-${process.arch}${onMusl() ? '-musl' : ''}`;

/**
 * Loads the first addon that works.
 * @param {(addon: unknown) => boolean} isUsable whether it has what this version calls
 * @returns {{ addon: unknown, origin: string }} origin: where it comes from, for the user
 * @throws Error saying of each addon that was found why it does not work
 */
export function loadAddon(isUsable) {
  const faults = [];
  for (const load of [loadBuilt, loadPrebuilt]) {
    try {
      const found = load();
      if (found === undefined) continue;
      if (isUsable(found.addon)) return found;
      faults.push(`the addon (${found.origin}) is of another version of espalier`);
    } catch (error) {
      faults.push(error.message);
    }
  }
  throw new Error(faults.length > 0 ? faults.join('; ') : `it is not built, and ${prebuiltPackage} is not installed`);
}

function loadBuilt() {
  if (!existsSync(builtAddon)) return undefined;
  return { addon: opened(builtAddon, builtAddon), origin: 'built here' };
}

/**
 * Loads the optional package's addon.
 * @returns {{ addon: unknown, origin: string } | undefined} undefined if the package is not installed
 * @throws Error if it is of another version, or does not load
 */
export function loadPrebuilt() {
  let file;
  try {
    file = require.resolve(`${prebuiltPackage}/package.json`);
  } catch {
    return undefined;
  }
  const wanted = versionIn(path.join(here, '..', '..', '..', 'package.json'));
  const version = versionIn(file);
  if (version !== wanted) {
    throw new Error(`${prebuiltPackage} has version ${version}, and espalier ${wanted}: install them again`);
  }
  return { addon: opened(prebuiltPackage, path.dirname(file)), origin: `prebuilt, ${prebuiltPackage} ${version}` };
}

/** @throws Error with the first line of the loader's message, which names the file */
function opened(name, module) {
  try {
    return require(module);
  } catch (error) {
    throw new Error(`${name} does not load (${error.message.split('\n')[0]})`, { cause: error });
  }
}

function versionIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

/** Returns true if Node's executable names the loader of musl: near its start, as linkers write it. */
function onMusl() {
  if (process.platform !== 'linux') return false;
  const start = Buffer.alloc(4096);
  const file = openSync(process.execPath, 'r');
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  return start.includes('/ld-musl-');
}
