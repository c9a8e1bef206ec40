import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Folder of this package: two folders above what is compiled, one above the sources. */
export const packageRoot: URL =
  [new URL('../', import.meta.url), new URL('../../', import.meta.url)].find((folder) =>
    existsSync(new URL('package.json', folder)),
  ) ?? new URL('../', import.meta.url);

/** Absolute path of the folder of its presets. */
export const presetFolder = fileURLToPath(new URL('presets', packageRoot));

const described: unknown = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8'));

/** Name, version and exports of this package. */
export const { name, version, exports } = z
  .object({ name: z.string(), version: z.string(), exports: z.record(z.string(), z.unknown()) })
  .parse(described);
