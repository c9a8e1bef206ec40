import { pathToFileURL } from 'node:url';
import { exports, name, packageRoot } from '../version.js';

/** Loaders of what a file from outside shares with the core, by name: a second copy has classes that the core does not know. */
const shared = new Map<string, () => Promise<unknown>>([
  ...faces(),
  ['zod', () => import('zod')],
  ['tsyringe', () => import('tsyringe')],
  ['@tensorflow/tfjs-core', async () => (await import('../tf.js')).tf],
]);

const loaded = new Map<string, unknown>();

/**
 * Loads a file from outside the package, TypeScript included, with no build step. Its imports of `espalier`,
 * `espalier/command` and so on, of zod, tsyringe and TensorFlow.js are the running package's own.
 * @returns what the file exports
 */
export async function importOutside(file: string): Promise<{ readonly exports: unknown }> {
  const { createJiti } = await import('jiti');
  const missing = new Set<string>();
  const get = (specifier: string): unknown => {
    if (loaded.has(specifier)) return loaded.get(specifier);
    missing.add(specifier);
    throw new Error(`${specifier} is not loaded yet`);
  };
  const virtualModules = Object.defineProperties(
    {},
    Object.fromEntries([...shared.keys()].map((each) => [each, { enumerable: true, get: () => get(each) }])),
  );
  const jiti: (file: string) => unknown = createJiti(import.meta.url, {
    virtualModules,
    fsCache: false,
  });
  // jiti requires, and our modules are imported: what a file turns out to need is loaded, and then the file again.
  for (;;) {
    missing.clear();
    try {
      // Wrapped: a promise that resolved to the exports would ask them for a `then`.
      return { exports: jiti(file) };
    } catch (thrown) {
      if (missing.size === 0) throw thrown;
      for (const each of missing) loaded.set(each, await shared.get(each)?.());
    }
  }
}

/** Loads a file of a family. @param source `built-in`, or the package that it is of */
export async function importFrom(file: string, source: string): Promise<{ readonly exports: unknown }> {
  return source === 'built-in' ? { exports: await import(pathToFileURL(file).href) } : importOutside(file);
}

/** `espalier`, `espalier/command` and what else the package exports. */
function* faces(): Iterable<[string, () => Promise<unknown>]> {
  for (const [key, target] of Object.entries(exports)) {
    if (typeof target !== 'object' || target === null || !('default' in target)) continue;
    const { href } = new URL(String(target.default), packageRoot);
    yield [`${name}${key.slice(1)}`, () => import(href)];
  }
}
