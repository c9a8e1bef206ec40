// `node .docs/tool.mjs NAME ARGS…`: runs a tool of the documentation, installed first if it is not, or is out of date.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';

const folder = import.meta.dirname;
const [name = '', ...args] = process.argv.slice(2);

if (modified('node_modules/.package-lock.json') < modified('package-lock.json')) {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder);
}
run('npm', ['exec', '--prefix', folder, '--', name, ...args], process.cwd());

function run(command, given, cwd) {
  const { status } = spawnSync(command, given, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
}

function modified(file) {
  return statSync(path.join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
