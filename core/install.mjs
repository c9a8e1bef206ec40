// Runs each plugin's install.mjs, which builds what it needs for this machine: after `npm install` and before `npm
// start` and `npm test`.
// An install.mjs does nothing if its work is up to date, and never fails.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const plugins = join(dirname(dirname(fileURLToPath(import.meta.url))), 'plugins');

for (const family of existsSync(plugins) ? readdirSync(plugins, { withFileTypes: true }) : []) {
  if (!family.isDirectory()) continue;
  for (const name of readdirSync(join(plugins, family.name))) {
    const step = join(plugins, family.name, name, 'install.mjs');
    if (existsSync(step)) spawnSync(process.execPath, [step], { stdio: 'inherit' });
  }
}
