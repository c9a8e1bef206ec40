import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { emptyFolder, started } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { mounting, needing } from '../../needs.js';
import { wholeData } from './masked.js';

const line = `${JSON.stringify({ text: 'a record of some words '.repeat(50) })}\n`;
const args = ['--format', 'jsonl', '-t', 'bytes', '-o', 'out'];

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`${signal} leaves nothing and exits with ${String(code)}`, async (t) => {
    const folder = emptyFolder(t);
    const child = await halfWay(folder);
    child.kill(signal);
    t.deepEqual(await once(child, 'exit'), [code, null]);
    t.deepEqual(readdirSync(folder), []);
  });
}

test('what a kill leaves is not taken for data, and the next time starts clean', async (t) => {
  const folder = emptyFolder(t);
  const child = await halfWay(folder);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const out = path.join(folder, 'out');
  t.true(readdirSync(out).length > 0);
  t.deepEqual(
    readdirSync(out).filter((name) => !name.endsWith('.partial') && name !== 'lock'),
    [],
  );
  const trained = await espalier(
    folder,
    'train',
    '--preset',
    'debug',
    '--set',
    'engine=cpu',
    '--set',
    'data={dir: out}',
  );
  t.is(trained.code, 2);
  t.regex(trained.err, /out contains .*\.partial.*prepare.*ESP_DATA_PARTIAL/);

  writeFileSync(path.join(folder, 'a.jsonl'), line.repeat(20));
  t.is((await espalier(folder, 'prepare', 'a.jsonl', ...args)).code, 0);
  t.deepEqual(readdirSync(out), wholeData);
});

test('data that is being replaced stays until the new is whole', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'a.jsonl'), line.repeat(20));
  t.is((await espalier(folder, 'prepare', 'a.jsonl', ...args)).code, 0);
  const meta = readFileSync(path.join(folder, 'out/meta.json'), 'utf8');
  writeFileSync(path.join(folder, 'b.jsonl'), `${line.repeat(3000)}{`);
  const failed = await espalier(folder, 'prepare', 'b.jsonl', ...args, '--force');
  t.regex(failed.err, /b\.jsonl: line 3001/);
  t.deepEqual(readdirSync(path.join(folder, 'out')), wholeData);
  t.is(readFileSync(path.join(folder, 'out/meta.json'), 'utf8'), meta);
});

needing(mounting())('a full disk: exit code 2, what to do, and nothing left', async (t) => {
  const folder = emptyFolder(t);
  const disk = path.join(folder, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
  try {
    writeFileSync(path.join(folder, 'a.jsonl'), line.repeat(3000));
    const { code, err } = await espalier(folder, 'prepare', 'a.jsonl', '-t', 'bytes', '-o', 'disk/out');
    t.is(code, 2, err);
    t.regex(err, /disk\/out\/\S+ cannot be written: the disk is full; .*--out.*ESP_PREPARE_WRITE/);
    t.deepEqual(readdirSync(disk), []);
  } finally {
    execFileSync('umount', [disk]);
  }
});

/** A preparation that has written some tokens and waits for more of its input. */
async function halfWay(folder: string): Promise<ChildProcess> {
  const child = started(folder, 'prepare', '-', ...args);
  child.stdin?.on('error', () => undefined);
  child.stdin?.write(line.repeat(2000));
  const shard = path.join(folder, 'out/train_000001.bin.partial');
  for (let tries = 0; tries < 600 && !existsSync(shard); tries++) {
    await wait(100);
    child.stdin?.write(line.repeat(100));
  }
  return child;
}
