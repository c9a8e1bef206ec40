import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder } from '../e2e/command.js';
import { needing, posix, program } from '../needs.js';

const ci = fileURLToPath(new URL('../../../.ci/', import.meta.url));
const withTools = needing(posix(), program('bash'), program('git'));

/** A registry without espalier, and its answers about who is logged in and who is a member. */
const NPM = `#!/bin/sh
case $1 in
  view) exit "\${REGISTRY_LACKS_IT:-1}" ;;
  whoami) [ -n "$REGISTRY_USER" ] && echo "$REGISTRY_USER" ;;
  org) echo '{ "ada": "owner" }' ;;
esac
`;

withTools('a release that is prepared as the checklist says may start', (t) => {
  t.deepEqual(checked(repository(t)), { status: 0, faults: [] });
});

withTools('what stops a release is listed, each with what to do', (t) => {
  const folder = repository(t);
  git(folder, 'tag', 'v1.2.3');
  writeFileSync(path.join(folder, 'package-lock.json'), '{ "version": "1.2.2" }');
  writeFileSync(path.join(folder, 'docs', 'CHANGELOG.md'), '## [Unreleased]\n\n## [1.2.2] - 2026-12-01\n');
  const { status, faults } = checked(folder, {
    ONLY: 'linux-x64',
    ZIG: path.join(folder, 'no-zig'),
    REGISTRY_LACKS_IT: '0',
    REGISTRY_USER: '',
  });
  t.is(status, 1);
  t.deepEqual(faults, [
    'there are changes that are not committed: commit or remove what git status shows',
    'package-lock.json has another version than package.json, 1.2.3: npm install --package-lock-only',
    'the tag v1.2.3 exists: raise the version in package.json',
    'docs/CHANGELOG.md has no heading "## [1.2.3] - DATE": name the Unreleased section so',
    'ONLY is set, and a release has every platform: unset it, or give --dry-run',
    `${path.join(folder, 'no-zig')} (ZIG) is not a zig that runs here: correct it, or unset it to install one from PyPI`,
    'the registry has espalier 1.2.3: raise the version in package.json',
    'you are not logged in to the registry: npm login',
  ]);
});

withTools('who is not a member of the organisation cannot release', (t) => {
  t.deepEqual(checked(repository(t), { REGISTRY_USER: 'eve' }), {
    status: 1,
    faults: ["eve is not a member of the registry's organisation espalier: create it, or get invited"],
  });
});

withTools('a folder with files in it is refused', (t) => {
  const folder = repository(t);
  const { status, stderr } = release(folder, {}, path.join(folder, 'docs'));
  t.is(status, 1);
  t.is(stderr, `release: ${path.join(folder, 'docs')} is not empty: give an empty folder, or a new one\n`);
});

test('the repository names no package that only a release may', (t) => {
  for (const file of ['package.json', 'package-lock.json']) {
    t.notRegex(readFileSync(path.join(ci, '..', file), 'utf8'), /"(node_modules\/)?@espalier\//);
  }
});

/** A committed repository of version 1.2.3 that may be released, and the programs that the script calls. */
function repository(t: ExecutionContext): string {
  const folder = emptyFolder(t);
  for (const name of ['.ci', 'docs', 'bin']) mkdirSync(path.join(folder, name));
  cpSync(path.join(ci, 'release'), path.join(folder, '.ci', 'release'));
  for (const file of ['package.json', 'package-lock.json']) {
    writeFileSync(path.join(folder, file), '{ "version": "1.2.3" }');
  }
  writeFileSync(path.join(folder, 'docs', 'CHANGELOG.md'), '## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n');
  writeFileSync(path.join(folder, 'bin', 'npm'), NPM, { mode: 0o755 });
  writeFileSync(path.join(folder, 'bin', 'zig'), '#!/bin/sh\n', { mode: 0o755 });
  git(folder, 'init', '--quiet');
  git(folder, 'add', '.');
  git(
    folder,
    '-c',
    'user.name=Ada',
    '-c',
    'user.email=ada@example.org',
    '-c',
    'commit.gpgsign=false',
    'commit',
    '--quiet',
    '--message',
    'All',
  );
  return folder;
}

function git(cwd: string, ...args: string[]): void {
  const { status, stderr } = spawnSync('git', args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

function release(cwd: string, env: NodeJS.ProcessEnv, argument: string): { status: number | null; stderr: string } {
  const bin = path.join(cwd, 'bin');
  return spawnSync('bash', [path.join(cwd, '.ci', 'release'), argument], {
    env: {
      ...process.env,
      PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`,
      ZIG: path.join(bin, 'zig'),
      ONLY: '',
      REGISTRY_USER: 'ada',
      ...env,
    },
    encoding: 'utf8',
  });
}

/** Runs the check. */
function checked(folder: string, env: NodeJS.ProcessEnv = {}): { status: number | null; faults: string[] } {
  const { status, stderr } = release(folder, env, '--check');
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { status, faults: lines.map((line) => line.replace(/^release: /, '')) };
}
