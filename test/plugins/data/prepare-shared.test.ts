import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { needing, posix, program } from '../../needs.js';
import { commandFile, emptyFolder, espalier as espalierAlone, type Outcome } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { wholeData } from './masked.js';

const piped = needing(posix(), program('bash'));

/** A bash command line in which `prepare` is the command with its first options. */
function shell(cwd: string, line: string): Promise<Outcome> {
  const prepare = `prepare() { "${process.execPath}" "${commandFile}" prepare -q "$@"; }`;
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', `${prepare}; ${line}`], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('close', (code) => {
      resolve({ code: code ?? 1, out, err });
    });
  });
}

const shards = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => name.endsWith('.bin'))
      .sort()
      .map((name) => [name, readFileSync(path.join(folder, name)).toString('hex')]),
  );

test('of preparations started together in one new folder exactly one succeeds, and none deletes the folder', async (t) => {
  const folder = emptyFolder(t);
  const text = Array.from({ length: 20_000 }, (_, line) => `call me ishmael ${String(line)}\n`).join('');
  writeFileSync(path.join(folder, 'a.txt'), text);
  const all = await Promise.all(
    Array.from({ length: 3 }, () => espalierAlone(folder, 'prepare', 'a.txt', '-t', 'bytes', '-o', 'new/out', '-q')),
  );
  t.deepEqual(all.map(({ code }) => code).sort(), [0, 2, 2], all.map(({ err }) => err).join('\n'));
  for (const { code, err } of all) if (code !== 0) t.regex(err, /in use by process|already has data|ESP_PREPARE_OUT/);
  t.deepEqual(readdirSync(path.join(folder, 'new/out')).sort(), wholeData);
});

test('a failed preparation removes what it made, and nothing else', async (t) => {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'out'));
  writeFileSync(path.join(folder, 'out/film.partial'), 'mine');
  writeFileSync(path.join(folder, 'bad.jsonl'), '{"text": 1}\n');
  t.is((await espalier(folder, 'prepare', 'bad.jsonl', '-t', 'bytes', '-o', 'out', '-q')).code, 2);
  t.deepEqual(readdirSync(path.join(folder, 'out')), ['film.partial']);
  t.is((await espalier(folder, 'prepare', 'bad.jsonl', '-t', 'bytes', '-o', 'new/below', '-q')).code, 2);
  t.deepEqual(readdirSync(folder).sort(), ['bad.jsonl', 'out']);
});

piped('pipes that are named like files are read once, whole, whatever is next to them', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'a.txt'), 'first\n'.repeat(50));
  writeFileSync(path.join(folder, 'b.txt'), 'second, longer\n'.repeat(20_000));
  execFileSync('mkfifo', [path.join(folder, 'fifo')]);
  const files = await shell(folder, 'prepare a.txt b.txt a.txt -t char -o files');
  t.is(files.code, 0, files.err);
  const expected = shards(path.join(folder, 'files'));
  const lines = [
    'prepare a.txt <(cat b.txt) -t char -o one',
    'prepare <(cat a.txt) <(cat b.txt) -t char -o two',
    '(cat b.txt > fifo &); prepare a.txt fifo fifo -t char -o three',
    'cat b.txt | prepare a.txt /dev/stdin - -t char -o four',
  ];
  for (const line of lines) {
    const { code, err } = await shell(folder, line);
    t.is(code, 0, `${line}: ${err}`);
    t.deepEqual(shards(path.join(folder, line.split(' ').at(-1) ?? '')), expected, line);
  }
  const refused = await shell(folder, 'prepare a.txt <(cat b.txt) -t char -o parts --part 1/2');
  t.is(refused.code, 2);
  t.regex(refused.err, /cannot divide standard input or a pipe/);
});
