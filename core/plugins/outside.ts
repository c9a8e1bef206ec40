import 'reflect-metadata';
import { fileURLToPath } from 'node:url';

const SHARED = Symbol.for('espalier.shared-modules');

/** Its entry is above the core, which names no file of it. */
const ownPackage: string = 'espalier';

const bridges: Record<string, string> = {
  espalier: 'espalier.cjs',
  zod: 'zod.cjs',
  tsyringe: 'tsyringe.cjs',
  '@tensorflow/tfjs-core': 'tfjs-core.cjs',
};

/**
 * Loads a plugin file from outside the package, TypeScript included, with no build step.
 * Its imports of `espalier`, `zod`, `tsyringe` and `@tensorflow/tfjs-core` are the running package's own,
 * which are imported here and not above: most commands load no such file, and some need none of these.
 * @returns what the file exports
 */
export async function importOutside(file: string): Promise<{ readonly exports: unknown }> {
  const modules = new Map<string, unknown>([
    ['espalier', await import(ownPackage)],
    ['zod', await import('zod')],
    ['tsyringe', await import('tsyringe')],
    ['@tensorflow/tfjs-core', (await import('../tf.js')).tf],
  ]);
  Reflect.set(globalThis, SHARED, modules);
  const alias = Object.fromEntries(
    Object.entries(bridges).map(([name, bridge]) => [
      name,
      fileURLToPath(new URL(`./bridge/${bridge}`, import.meta.url)),
    ]),
  );
  const { createJiti } = await import('jiti');
  const jiti: (file: string) => unknown = createJiti(import.meta.url, { alias, fsCache: false });
  // Not its `import`: that wraps the bridges in a proxy which binds classes, so that they are no longer the core's.
  // Wrapped: a promise that resolved to the exports would ask them for a `then`, which jiti looks for in the default.
  return { exports: jiti(file) };
}
