import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { addCommand } from '../../core/package-manager.js';
import { emptyFolder } from '../e2e/command.js';

for (const [lock, command] of [
  ['pnpm-lock.yaml', 'pnpm add x'],
  ['yarn.lock', 'yarn add x'],
  ['bun.lock', 'bun add x'],
  ['bun.lockb', 'bun add x'],
  ['package-lock.json', 'npm install x'],
  ['none', 'npm install x'],
] as const) {
  test(`a project with ${lock} adds packages by ${command}`, (t) => {
    const project = emptyFolder(t);
    const inside = path.join(project, 'node_modules', 'espalier', 'dist');
    mkdirSync(inside, { recursive: true });
    writeFileSync(path.join(project, lock), '');
    t.is(addCommand('x', inside), command);
  });
}
