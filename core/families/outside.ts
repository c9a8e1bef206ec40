import { pathToFileURL } from 'node:url';
import { exports, name, packageRoot } from '../version.js';

/**
 * Loaders for the modules that an outside file shares with the core: a second copy would have classes unknown to the
 * core.
 */
const shared = new Map<string, () => Promise<unknown>>([
  ...faces(),
  ['zod', () => import('zod')],
  ['tsyringe', () => import('tsyringe')],
  ['@tensorflow/tfjs-core', async () => (await import('../tf.js')).tf],
]);

const loaded = new Map<string, unknown>();

/**
 * Loads a file from outside the package, TypeScript included, without a build step. Imports of `espalier`,
 * `espalier/command` etc., zod, tsyringe and TensorFlow.js resolve to the running package's own copies.
 * @returns the file's exports
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
  // jiti requires synchronously, but our modules are imported: load the module that was missing, then try the file
  // again.
  for (;;) {
    missing.clear();
    try {
      // Wrapped in an object, because a promise that resolves to the exports would look up `then` in them.
      return { exports: jiti(file) };
    } catch (thrown) {
      if (missing.size === 0) throw thrown;
      for (const each of missing) loaded.set(each, await shared.get(each)?.());
    }
  }
}

/** Loads a file of a family. @param source `built-in`, or the name of its package */
export async function importFrom(file: string, source: string): Promise<{ readonly exports: unknown }> {
  return source === 'built-in' ? { exports: await import(pathToFileURL(file).href) } : importOutside(file);
}

/** Returns a loader for `espalier`, `espalier/command` and each other export of the package. */
function* faces(): Iterable<[string, () => Promise<unknown>]> {
  for (const [key, target] of Object.entries(exports)) {
    if (typeof target !== 'object' || target === null || !('default' in target)) continue;
    const { href } = new URL(String(target.default), packageRoot);
    yield [`${name}${key.slice(1)}`, () => import(href)];
  }
}
