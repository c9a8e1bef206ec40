import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { z } from 'zod';
import { UsageError } from '../errors.js';
import { version } from '../version.js';
import { builtInFamilies, familyIn, type Family } from './family.js';

/** The key `espalier` of a package.json that contributes to espalier. Paths are relative to the package. */
const declaration = z.strictObject({
  family: z.string().optional(),
  presets: z.string().optional(),
  requires: z.string(),
});

/** What is read of a package.json: whatever else is in one, espalier starts. */
const described = z.object({
  name: z.string().optional().catch(undefined),
  version: z.string().optional().catch(undefined),
  espalier: z.unknown().optional(),
  dependencies: z.looseObject({}).catch({}),
  devDependencies: z.looseObject({}).catch({}),
  optionalDependencies: z.looseObject({}).catch({}),
});
type Described = z.infer<typeof described>;

/** Only read where a package declares what it requires. */
const semver = (): typeof import('semver') => requireHere('semver');
const requireHere: (name: 'semver') => typeof import('semver') = createRequire(import.meta.url);

/** Whether the key `espalier` of a package.json declares a contribution; else it is a config. */
export function isDeclaration(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(declaration.shape).some((key) => key in value);
}

/** The families that come with espalier, then those of packages, for a working folder. */
export function families(cwd: string): readonly Family[] {
  return [...builtInFamilies(), ...packageFamilies(cwd)];
}

/**
 * What packages contribute: the project that a folder is in, which is the nearest upwards with a package.json, and those
 * that it depends on.
 * @throws UsageError for a package that does not support this version, or whose declaration is wrong
 */
export function packageFamilies(cwd: string): readonly Family[] {
  let found = byFolder.get(cwd);
  if (found === undefined) byFolder.set(cwd, (found = findPackages(cwd)));
  return found;
}

const byFolder = new Map<string, readonly Family[]>();

function findPackages(cwd: string): Family[] {
  const root = projectOf(cwd);
  const project = root === undefined ? undefined : read(root);
  if (root === undefined || project === undefined) return [];
  const { dependencies, devDependencies, optionalDependencies } = project;
  const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }).sort();
  const folders = names.map((name) => installed(name, root)).filter((folder) => folder !== undefined);
  return [familyOf(root, project), ...folders.map((folder) => familyOf(folder, read(folder)))].filter(
    (family) => family !== undefined,
  );
}

function familyOf(folder: string, found: Described | undefined): Family | undefined {
  const { name = folder, version: own = '', espalier } = found ?? {};
  if (!isDeclaration(espalier)) return undefined;
  const place = `${path.join(folder, 'package.json')}: key espalier`;
  const parsed = declaration.safeParse(espalier);
  if (!parsed.success) {
    throw wrong(`${place}: ${z.prettifyError(parsed.error)}; it takes family, presets and requires`);
  }
  const { family, presets, requires } = parsed.data;
  if (semver().validRange(requires) === null) {
    throw wrong(`${place}: requires "${requires}" is no range of versions; write one such as "^${version}"`);
  }
  if (!semver().satisfies(version, requires, { includePrerelease: true })) {
    throw new UsageError(
      'ESP_PACKAGE_VERSION',
      `package ${name} ${own} requires espalier ${requires}, and this is espalier ${version}: install a version of one that goes with the other (npm view ${name} versions)`,
    );
  }
  const within = (key: 'family' | 'presets', given: string): string => {
    const inside = path.join(folder, given);
    if (existsSync(inside)) return inside;
    throw wrong(`${place}: ${key} names ${inside}, which does not exist; build the package, or correct the path`);
  };
  const empty = {
    name,
    source: name,
    folder,
    plugins: new Map(),
    commands: new Map(),
    options: new Map(),
    provides: new Map(),
  };
  return {
    ...(family === undefined ? empty : familyIn(within('family', family), name, name)),
    ...(presets === undefined ? {} : { presets: within('presets', presets) }),
  };
}

function projectOf(cwd: string): string | undefined {
  for (let folder = cwd; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** Where a dependency is: in a `node_modules` of the project or above it; what is linked there is where it leads. */
function installed(name: string, root: string): string | undefined {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (existsSync(path.join(candidate, 'package.json'))) return realpathSync(candidate);
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** Undefined for a package.json that does not parse: the config, if it is there, says so. */
function read(folder: string): Described | undefined {
  const text = readFileSync(path.join(folder, 'package.json'), 'utf8');
  try {
    const parsed: unknown = JSON.parse(text);
    return described.parse(parsed);
  } catch {
    return undefined;
  }
}

function wrong(message: string): UsageError {
  return new UsageError('ESP_PACKAGE', message);
}
