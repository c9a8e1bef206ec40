import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Folder of this package: two levels above compiled code, one above the sources. */
export const packageRoot: URL =
  [new URL('../', import.meta.url), new URL('../../', import.meta.url)].find((folder) =>
    existsSync(new URL('package.json', folder)),
  ) ?? new URL('../', import.meta.url);

/** Absolute path of the preset folder. */
export const presetFolder = fileURLToPath(new URL('presets', packageRoot));

/** Not checked with a schema: npm wrote the file, and loading zod takes a third of a short command's time. */
const readJson: (file: string) => {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
} = createRequire(import.meta.url);

/** Name, version and exports of this package. */
export const { name, version, exports } = readJson(fileURLToPath(new URL('package.json', packageRoot)));
