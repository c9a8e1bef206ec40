import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import {
  recoverCheckpoints,
  removeAllCheckpoints,
  removeCheckpoint,
} from '../../../plugins/checkpoint/stored/remove.js';
import { rotateCheckpoints } from '../../../plugins/checkpoint/writing/rotate.js';
import { emptyFolder } from '../../e2e/command.js';

const fixture = fileURLToPath(new URL('../../../../test/fixtures/checkpoint-2', import.meta.url));

function copies(checkpoints: string, ...names: string[]): void {
  for (const name of names) cpSync(fixture, path.join(checkpoints, name), { recursive: true });
}

test('a process killed at any point while replacing a checkpoint leaves a complete one, which is recovered', async (t) => {
  const states = [
    ['000007', '000007.writing'],
    ['000007.replaced', '000007.writing'],
    ['000007.replaced', '000007'],
    ['000007', '000007.deleting'],
  ];
  for (const names of states) {
    const folder = emptyFolder(t);
    const checkpoints = path.join(folder, 'checkpoints');
    copies(checkpoints, ...names);
    writeFileSync(path.join(checkpoints, 'latest'), '000007\n');
    const found = names.includes('000007') ? '000007' : '000007.replaced';
    t.is(path.basename(await findCheckpoint(folder, folder)), found, names.join());
    t.is(path.basename(await findCheckpoint(path.join(checkpoints, 'latest'), folder)), found);
    await recoverCheckpoints(checkpoints);
    t.deepEqual(readdirSync(checkpoints).sort(), ['000007', 'latest'], names.join());
    t.is(path.basename(await findCheckpoint(folder, folder)), '000007');
  }
  await t.notThrowsAsync(recoverCheckpoints(path.join(emptyFolder(t), 'checkpoints')));
});

test('foreign files among checkpoints, or in one, are not deleted', async (t) => {
  const checkpoints = path.join(emptyFolder(t), 'checkpoints');
  copies(checkpoints, '000004', '000008', '000009-emergency', '000010.aside', '000012.damaged', '000014.writing');
  writeFileSync(path.join(checkpoints, 'latest'), '000008\n');
  const theirs = ['resnet.pt', '000002/model.safetensors', '000003.writing/data.bin', 'checkpoint-500/state.json'];
  for (const name of [...theirs, '000008/notes.txt', 'best.txt', '000004.zip']) {
    const file = path.join(checkpoints, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, 'mine');
  }
  const rules = { last: 1, every: 0, keep: new Set<string>() };
  t.deepEqual(await rotateCheckpoints(checkpoints, { ...rules, dryRun: true }), ['000004']);
  t.deepEqual(await rotateCheckpoints(checkpoints, rules), ['000004']);
  await removeAllCheckpoints(checkpoints);
  for (const name of theirs) t.true(existsSync(path.join(checkpoints, name)), name);
  t.deepEqual(readdirSync(checkpoints).sort(), [
    '000002',
    '000003.writing',
    '000004.zip',
    '000008.deleting',
    'best.txt',
    'checkpoint-500',
    'resnet.pt',
  ]);
  t.deepEqual(readdirSync(path.join(checkpoints, '000008.deleting')), ['notes.txt']);
});

test('an interrupted deletion is finished by the next one', async (t) => {
  const checkpoints = path.join(emptyFolder(t), 'checkpoints');
  copies(checkpoints, '000004');
  renameSync(path.join(checkpoints, '000004'), path.join(checkpoints, '000004.deleting'));
  copies(checkpoints, '000004');
  t.true(await removeCheckpoint(path.join(checkpoints, '000004')));
  t.deepEqual(readdirSync(checkpoints), []);
  t.false(await removeCheckpoint(path.join(checkpoints, '000004')));
});
