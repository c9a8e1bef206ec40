import { pathToFileURL } from 'node:url';
import { PluginError } from '../errors.js';
import { builtInFamilies } from './families.js';

/**
 * What a family gives to every run, whichever plugins are on: `provided` of its file `provides/NAME`.
 * @returns undefined if no family has such a file
 * @throws PluginError if the file exports something else
 */
export async function provided<T>(name: string, is: (value: unknown) => value is T): Promise<T | undefined> {
  for (const { provides, name: family } of builtInFamilies()) {
    const file = provides.get(name);
    if (file === undefined) continue;
    const module: unknown = await import(pathToFileURL(file).href);
    const value: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'provided') : undefined;
    if (is(value)) return value;
    throw new PluginError(family, file, new TypeError(`it exports no \`provided\` that is a ${name}`));
  }
  return undefined;
}
