import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What to type in a project, by its package manager. */
export interface PackageCommands {
  /** Adds a package, whose name follows. */
  readonly add: string;
  readonly install: string;
  readonly test: string;
  /** Runs the command of an installed package, which follows. */
  readonly run: string;
  /** How to let it run espalier's install script, which it may have skipped. */
  readonly allowInstallScript: string;
}

type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

const COMMANDS: Readonly<Record<PackageManager, PackageCommands>> = {
  npm: {
    add: 'npm install',
    install: 'npm install',
    test: 'npm test',
    run: 'npx',
    allowInstallScript:
      '`npm rebuild espalier --ignore-scripts=false` (npm 12: first `npm install-scripts approve espalier`)',
  },
  pnpm: {
    add: 'pnpm add',
    install: 'pnpm install',
    test: 'pnpm test',
    run: 'pnpm exec',
    allowInstallScript: '`pnpm approve-builds`, and select espalier',
  },
  yarn: {
    add: 'yarn add',
    install: 'yarn install',
    test: 'yarn test',
    run: 'yarn',
    allowInstallScript: '`"dependenciesMeta": { "espalier": { "built": true } }` in package.json, then `yarn install`',
  },
  bun: {
    add: 'bun add',
    install: 'bun install',
    test: 'bun run test',
    run: 'bunx',
    allowInstallScript: '`bun pm trust espalier`',
  },
};

const LOCK_FILES: Readonly<Record<string, PackageManager>> = {
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
  'package-lock.json': 'npm',
};

/** Returns the commands of the package manager of the project this espalier is installed in. */
export function packageCommands(from = path.dirname(fileURLToPath(import.meta.url))): PackageCommands {
  return COMMANDS[packageManager(from)];
}

/** Returns the command that adds a package to that project: `npm install NAME`, `pnpm add NAME`, … */
export function addCommand(name: string): string {
  return `${packageCommands().add} ${name}`;
}

/**
 * Returns Yarn with Plug'n'Play, or by the nearest lock file above `from`. Without one (a global install), the package
 * manager that started this process.
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
