import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { UsageError } from '../errors.js';
import { version } from '../version.js';
import { builtInFamilies, familyIn, type Family } from './family.js';

/** The part used here of the module that Yarn's Plug'n'Play provides. */
interface PlugAndPlay {
  resolveToUnqualified(request: string, issuer: string): string | null;
}

/** Loaded only if a package contributes something, so that commands start faster. */
const requireHere: {
  (name: 'semver'): typeof import('semver');
  (name: 'zod'): typeof import('zod');
  (name: 'pnpapi'): PlugAndPlay;
} = createRequire(import.meta.url);
const semver = (): typeof import('semver') => requireHere('semver');

/**
 * The key `espalier` in the package.json of a package that contributes to espalier. Paths are relative to the package.
 */
const declaration = ({ z }: typeof import('zod')) =>
  z.strictObject({ family: z.string().optional(), presets: z.string().optional(), requires: z.string() });
const DECLARED = ['family', 'presets', 'requires'];

/** Returns whether the key `espalier` of a package.json declares a contribution; otherwise it is a config. */
export function isDeclaration(value: unknown): boolean {
  return isObject(value) && DECLARED.some((key) => key in value);
}

/** Returns the families that come with espalier, then those of packages, for a working folder. */
export function families(cwd: string): readonly Family[] {
  return [...builtInFamilies(), ...packageFamilies(cwd)];
}

/**
 * Returns what packages contribute: the project (the nearest folder upwards with a package.json) and its dependencies.
 * @throws UsageError for a package that does not support this version, or whose declaration is wrong
 */
export function packageFamilies(cwd: string): readonly Family[] {
  return installedPackages(cwd).flatMap(({ family }) => family ?? []);
}

/** A package that contributes to espalier. */
export interface InstalledPackage {
  readonly name: string;
  /** From its package.json; empty if that has none. */
  readonly version: string;
  /** What it declares; undefined for `espalier-plugin-NAME`, whose main file is a plugin. */
  readonly family: Family | undefined;
}

/**
 * Returns the packages behind `packageFamilies`, and the dependencies named `espalier-plugin-NAME`.
 * @throws UsageError like `packageFamilies`
 */
export function installedPackages(cwd: string): readonly InstalledPackage[] {
  let found = byFolder.get(cwd);
  if (found === undefined) byFolder.set(cwd, (found = findPackages(cwd)));
  return found;
}

const byFolder = new Map<string, readonly InstalledPackage[]>();
const PLUGIN_PACKAGE = /^(@[^/]+\/)?espalier-plugin-/;

function findPackages(cwd: string): InstalledPackage[] {
  const root = projectOf(cwd);
  const project = root === undefined ? undefined : read(root);
  if (root === undefined || project === undefined) return [];
  const { dependencies, devDependencies, optionalDependencies } = project;
  const listed = [dependencies, devDependencies, optionalDependencies].filter(isObject);
  const names = [...new Set(listed.flatMap((packages) => Object.keys(packages)))].sort();
  const folders = names.map((name) => installed(name, root)).filter((folder) => folder !== undefined);
  const others = folders.map((folder) => packageIn(folder, read(folder)));
  return [packageIn(root, project), ...others].filter(
    ({ name, family }, index) => family !== undefined || (index > 0 && PLUGIN_PACKAGE.test(name)),
  );
}

function packageIn(folder: string, found: Described = {}): InstalledPackage {
  const { name, version: own } = found;
  return {
    name: typeof name === 'string' ? name : folder,
    version: typeof own === 'string' ? own : '',
    family: familyOf(folder, found),
  };
}

function familyOf(folder: string, found: Described): Family | undefined {
  const { espalier } = found;
  if (!isDeclaration(espalier)) return undefined;
  const name = typeof found['name'] === 'string' ? found['name'] : folder;
  const own = typeof found['version'] === 'string' ? found['version'] : '';
  const place = `${path.join(folder, 'package.json')}: key espalier`;
  const zod = requireHere('zod');
  const parsed = declaration(zod).safeParse(espalier);
  if (!parsed.success) {
    throw wrong(`${place}: ${zod.prettifyError(parsed.error)}; it takes family, presets and requires`);
  }
  const { family, presets, requires } = parsed.data;
  if (semver().validRange(requires) === null) {
    throw wrong(`${place}: requires "${requires}" is not a version range; write one such as "^${version}"`);
  }
  if (!semver().satisfies(version, requires, { includePrerelease: true })) {
    throw new UsageError(
      'ESP_PACKAGE_VERSION',
      `package ${name} ${own} requires espalier ${requires}, and this is espalier ${version}: install matching versions (npm view ${name} versions)`,
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

/**
 * Returns the folder of a dependency: of Plug'n'Play (its path, unresolved, leads to the package's peers), or from
 * `node_modules` in the project or above it, with links resolved.
 */
function installed(name: string, root: string): string | undefined {
  if (process.versions['pnp'] !== undefined) return plugged(name, root);
  for (let folder = root; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (existsSync(path.join(candidate, 'package.json'))) return realpathSync(candidate);
    if (folder === path.dirname(folder)) return undefined;
  }
}

function plugged(name: string, root: string): string | undefined {
  try {
    return requireHere('pnpapi').resolveToUnqualified(name, path.join(root, path.sep)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** A parsed package.json, unchecked: espalier must start whatever is in it. */
type Described = Readonly<Record<string, unknown>>;

/** Returns undefined for a package.json that does not parse; if it holds the config, reading that reports the error. */
function read(folder: string): Described | undefined {
  const text = readFileSync(path.join(folder, 'package.json'), 'utf8');
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Described {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(message: string): UsageError {
  return new UsageError('ESP_PACKAGE', message);
}
