import { pathToFileURL } from 'node:url';
import { PluginError, UsageError } from '../errors.js';
import { builtInFamilies } from './family.js';

/**
 * Returns a family's implementation of a contract that every run needs: `provided` of its file `provides/NAME`.
 * @param methods the methods it must have
 * @returns undefined if no family has such a file
 * @throws PluginError if the file exports something else
 */
export async function provided<T extends object>(
  name: string,
  methods: readonly (keyof T & string)[],
): Promise<T | undefined> {
  const is = (value: unknown): value is T =>
    typeof value === 'object' &&
    value !== null &&
    methods.every((method) => typeof Reflect.get(value, method) === 'function');
  for (const { provides, name: family } of builtInFamilies()) {
    const file = provides.get(name);
    if (file === undefined) continue;
    const module: unknown = await import(pathToFileURL(file).href);
    const value: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'provided') : undefined;
    if (is(value)) return value;
    throw new PluginError(
      family,
      file,
      new TypeError(`it must export \`provided\`, with the methods ${methods.join(', ')}`),
    );
  }
  return undefined;
}

/** Like `provided`, for contracts that every run needs. @throws UsageError if no family has such a file */
export async function required<T extends object>(name: string, methods: readonly (keyof T & string)[]): Promise<T> {
  const found = await provided<T>(name, methods);
  if (found !== undefined) return found;
  throw new UsageError(
    'ESP_FAMILY_MISSING',
    `no family of this installation has provides/${name}: install espalier again`,
  );
}
