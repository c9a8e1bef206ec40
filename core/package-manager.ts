import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const LOCK_FILES: Readonly<Record<string, string>> = {
  'pnpm-lock.yaml': 'pnpm add',
  'yarn.lock': 'yarn add',
  'bun.lock': 'bun add',
  'bun.lockb': 'bun add',
  'package-lock.json': 'npm install',
};

/**
 * Returns the command that adds a package to the project this espalier is installed in: `npm install NAME`, `pnpm add
 * NAME`, …
 */
export function addCommand(name: string, from = path.dirname(fileURLToPath(import.meta.url))): string {
  if (process.versions['pnp'] !== undefined) return `yarn add ${name}`;
  for (let folder = from; ; folder = path.dirname(folder)) {
    const lock = Object.keys(LOCK_FILES).find((file) => existsSync(path.join(folder, file)));
    if (lock !== undefined) return `${LOCK_FILES[lock] ?? ''} ${name}`;
    if (folder === path.dirname(folder)) return `npm install ${name}`;
  }
}
