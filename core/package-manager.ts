import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

const LOCK_FILES: Readonly<Record<string, PackageManager>> = {
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
  'package-lock.json': 'npm',
};
const here = path.dirname(fileURLToPath(import.meta.url));

/**
 * Returns the command that adds a package to the project this espalier is installed in: `npm install NAME`, `pnpm add
 * NAME`, …
 */
export function addCommand(name: string, from = here): string {
  const manager = packageManager(from);
  return `${manager} ${manager === 'npm' ? 'install' : 'add'} ${name}`;
}

/** Returns how to let the project's package manager run espalier's install script, which it may have skipped. */
export function allowInstallScript(from = here): string {
  switch (packageManager(from)) {
    case 'npm':
      return '`npm rebuild espalier --ignore-scripts=false` (npm 12: first `npm install-scripts approve espalier`)';
    case 'pnpm':
      return '`pnpm approve-builds`, and select espalier';
    case 'yarn':
      return '`"dependenciesMeta": { "espalier": { "built": true } }` in package.json, then `yarn install`';
    case 'bun':
      return '`bun pm trust espalier`';
  }
}

/**
 * Returns the package manager of the project: Yarn with Plug'n'Play, or by the nearest lock file above `from`. Without
 * one (a global install), the one that started this process.
 */
function packageManager(from: string): PackageManager {
  if (process.versions['pnp'] !== undefined) return 'yarn';
  for (let folder = from; ; folder = path.dirname(folder)) {
    const lock = Object.keys(LOCK_FILES).find((file) => existsSync(path.join(folder, file)));
    if (lock !== undefined) return LOCK_FILES[lock] ?? 'npm';
    if (folder === path.dirname(folder)) break;
  }
  const [agent] = (process.env['npm_config_user_agent'] ?? '').split('/');
  return Object.values(LOCK_FILES).find((manager) => manager === agent) ?? 'npm';
}
