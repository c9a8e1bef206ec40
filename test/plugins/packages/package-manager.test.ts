import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packageCommands } from '../../../plugins/packages/contract.js';
import { emptyFolder } from '../../e2e/command.js';

for (const [lock, command, allow] of [
  ['pnpm-lock.yaml', 'pnpm add', /^`pnpm approve-builds`/],
  ['yarn.lock', 'yarn add', /"built": true.*`yarn install`/],
  ['bun.lock', 'bun add', /^`bun pm trust espalier`/],
  ['bun.lockb', 'bun add', /^`bun pm trust espalier`/],
  ['package-lock.json', 'npm install', /^`npm rebuild espalier /],
] as const) {
  test(`a project with ${lock} adds packages by ${command}, and allows install scripts in that manager's way`, (t) => {
    const inside = installedIn(t, lock);
    const { add, allowInstallScript } = packageCommands(inside);
    t.is(add, command);
    t.regex(allowInstallScript, allow);
  });
}

test.serial('without a lock file, the package manager is the one that started the process, or npm', (t) => {
  const inside = installedIn(t, 'none');
  const before = process.env['npm_config_user_agent'];
  t.teardown(() => {
    if (before === undefined) delete process.env['npm_config_user_agent'];
    else process.env['npm_config_user_agent'] = before;
  });
  delete process.env['npm_config_user_agent'];
  t.is(packageCommands(inside).run, 'npx');
  process.env['npm_config_user_agent'] = 'pnpm/10.34.9 npm/? node/v20.20.2 linux x64';
  t.is(packageCommands(inside).run, 'pnpm exec');
});

/** Returns a folder of an installed package in a project with this file. */
function installedIn(t: ExecutionContext, lock: string): string {
  const project = emptyFolder(t);
  const inside = path.join(project, 'node_modules', 'espalier', 'dist');
  mkdirSync(inside, { recursive: true });
  writeFileSync(path.join(project, lock), '');
  return inside;
}
