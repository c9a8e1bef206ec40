import { existsSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { makeFolder, writeWhole } from '../../files/contract.js';

/** A file to write; its name is relative to the folder. */
export interface NewFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Writes files into a folder, which is created if needed.
 * @param force overwrite existing files
 * @throws UsageError naming existing files, before anything is written, if `force` is false
 */
export async function writeNew(folder: string, files: readonly NewFile[], force: boolean): Promise<void> {
  const there = files.filter(({ name }) => existsSync(path.join(folder, name))).map(({ name }) => name);
  if (there.length > 0 && !force) {
    const what = there.map((name) => path.join(path.relative(process.cwd(), folder), name)).join(', ');
    throw new UsageError(
      'ESP_SCAFFOLD_EXISTS',
      `${what} ${there.length === 1 ? 'exists' : 'exist'}; --force overwrites`,
    );
  }
  for (const { name, text } of files) {
    makeFolder(path.dirname(path.join(folder, name)));
    await writeWhole(path.join(folder, name), text);
  }
}
