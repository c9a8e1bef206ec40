// Finds the native engine's addon: the one that was built here, or the optional package for this platform.
// Plain JavaScript, because the install script needs it before anything is compiled.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
/** The type of an ELF program header that names the loader. */
const PT_INTERP = 3;

/** The addon's file name, built here or in a package. */
export const addonName = 'espalier_native.node';

/** Where the addon is built. */
export const builtAddon = path.join(here, 'build', 'Release', addonName);

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
 * @throws Error if it is of another version, is damaged, or does not load
 */
export function loadPrebuilt() {
  let file;
  try {
    file = require.resolve(`${prebuiltPackage}/package.json`);
  } catch {
    return undefined;
  }
  const { version: wanted } = described(path.join(here, '..', '..', '..', 'package.json'));
  const { version, sha256 } = described(file);
  if (version !== wanted) {
    throw new Error(`${prebuiltPackage} has version ${version}, and espalier ${wanted}`);
  }
  // Loading a file that was cut off would end the process without a message.
  const addon = path.join(path.dirname(file), addonName);
  if (!existsSync(addon) || sha256Of(addon) !== sha256) {
    throw new Error(`${prebuiltPackage} is damaged: ${addon} is not the file that was published`);
  }
  return { addon: opened(prebuiltPackage, addon), origin: `prebuilt, ${prebuiltPackage} ${version}` };
}

/** @throws Error with the first line of the loader's message, which names the file */
function opened(name, module) {
  try {
    return require(module);
  } catch (error) {
    throw new Error(`${name} does not load (${error.message.split('\n')[0]})`, { cause: error });
  }
}

/** Returns the contents of a package.json. */
function described(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Returns the hash of a file, in hexadecimal digits. */
export function sha256Of(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Returns true if Node's executable is started by the loader of musl. */
function onMusl() {
  if (process.platform !== 'linux') return false;
  const file = openSync(process.execPath, 'r');
  try {
    return loaderOf(file).includes('/ld-musl-');
  } finally {
    closeSync(file);
  }
}

/** Returns the path of the loader that a 64-bit ELF executable names; empty if it names none. */
function loaderOf(file) {
  const read = (position, length) => {
    const bytes = Buffer.alloc(Number(length));
    readSync(file, bytes, 0, bytes.length, Number(position));
    return bytes;
  };
  const header = read(0, 64);
  const size = header.readUInt16LE(54);
  const table = read(header.readBigUInt64LE(32), size * header.readUInt16LE(56));
  for (let entry = 0; entry < table.length; entry += size) {
    if (table.readUInt32LE(entry) !== PT_INTERP) continue;
    return read(table.readBigUInt64LE(entry + 8), table.readBigUInt64LE(entry + 32)).toString('latin1');
  }
  return '';
}
