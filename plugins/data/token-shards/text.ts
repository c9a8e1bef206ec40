import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { messageOf, UsageError } from '../../../core/index.js';
import { decodeCorpus } from '../../files/contract.js';
import { addCommand } from '../../packages/contract.js';

const PACKAGE_PREFIX = 'npm:';

/**
 * Reads a text from a path relative to the working folder, or from `npm:PACKAGE/path` in an installed package.
 * @param shown the key with its place and value, for errors
 */
export function readText(name: string, shown: string, fromConfig: (file: string) => string): string {
  const file = name.startsWith(PACKAGE_PREFIX)
    ? fileInPackage(name.slice(PACKAGE_PREFIX.length), shown)
    : fromConfig(name);
  if (!existsSync(file)) {
    const which = name === file ? '' : ` ${file}`;
    throw new UsageError('ESP_DATA_TEXT', `${shown}: there is no file${which}; give the text to train on`);
  }
  let bytes: Buffer;
  try {
    if (statSync(file).isDirectory())
      throw new Error('it is a folder; give a file, or set data.dir for a folder of .bin files');
    bytes = readFileSync(file);
  } catch (thrown) {
    throw new UsageError('ESP_DATA_TEXT', `${shown} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (bytes.length === 0) throw new UsageError('ESP_DATA_EMPTY', `${shown} is empty: give a text to train on`);
  try {
    return decodeCorpus(bytes);
  } catch (thrown) {
    throw new UsageError('ESP_DATA_UTF8', `${shown} is not text: ${messageOf(thrown)}`, { cause: thrown });
  }
}

function fileInPackage(name: string, shown: string): string {
  const parts = name.split('/');
  const scope = name.startsWith('@') ? 2 : 1;
  const packageName = parts.slice(0, scope).join('/');
  try {
    const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
    return path.join(path.dirname(manifest), ...parts.slice(scope));
  } catch (thrown) {
    throw new UsageError(
      'ESP_DATA_TEXT',
      `${shown}: package ${packageName} is not installed; install it with \`${addCommand(packageName)}\``,
      {
        cause: thrown,
      },
    );
  }
}
