import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder, piped, type Outcome } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { needing, tokenizerLibrary } from '../../needs.js';
import { componentTokenizers } from '../../plugins/tokenizers/hf-components.js';
import { byteLevelTokenizer } from '../../plugins/tokenizers/hf-definition.js';

/** Texts of different lengths, some of whose letters stand in one file alone. */
const texts = [40, 3, 90, 20, 55].map((words, i) => `${'abcde'[i] ?? ''}! `.repeat(words) + 'the end.');

function inputFolder(t: ExecutionContext): string {
  const cwd = emptyFolder(t);
  texts.forEach((text, i) => writeFileSync(path.join(cwd, `text-${String(i)}.txt`), text));
  writeFileSync(path.join(cwd, 'held-0.txt'), 'what is held out. '.repeat(10));
  writeFileSync(path.join(cwd, 'held-1.txt'), 'more of it. '.repeat(10));
  return cwd;
}

function prepare(cwd: string, out: string, ...more: string[]): Promise<Outcome> {
  return espalier(cwd, 'prepare', 'text-*.txt', '-o', out, '--workers', '1', '--shard-tokens', '100', ...more);
}

/** The bytes of a split, shard after shard, part after part. */
function bytesOf(folder: string, split: 'train' | 'val'): Buffer {
  const parts = readdirSync(folder).filter((name) => name.startsWith('part-'));
  if (parts.length > 0) return Buffer.concat(parts.sort().map((part) => bytesOf(path.join(folder, part), split)));
  const shards = readdirSync(folder).filter((name) => name.startsWith(split) && name.endsWith('.bin'));
  return Buffer.concat(shards.sort().map((name) => readFileSync(path.join(folder, name))));
}

/** Where the documents of a split begin, shard after shard, part after part. */
function documentsOf(folder: string, split: 'train' | 'val'): number[] {
  const parts = readdirSync(folder).filter((name) => name.startsWith('part-'));
  const folders = parts.length > 0 ? parts.sort().map((part) => path.join(folder, part)) : [folder];
  const starts: number[] = [];
  let length = 0;
  for (const each of folders) {
    const shards = readdirSync(each).filter((name) => name.startsWith(split) && name.endsWith('.documents'));
    for (const name of shards.sort()) {
      const bytes = readFileSync(path.join(each, name));
      for (let at = 0; at < bytes.length; at += 8) starts.push(length + Number(bytes.readBigUInt64LE(at)));
      length += readFileSync(path.join(each, name.replace('.documents', '.bin'))).length / 2;
    }
  }
  return starts;
}

const choices = {
  'characters, learned from all, with fewer held-out files than parts': ['-t', 'char', '--val', 'held-*.txt'],
  'bytes with an end of text, by share': ['-t', 'bytes', '--val-share', '0.3'],
};

for (const [what, flags] of Object.entries(choices)) {
  test(`${what}: the parts, one after the other, are the whole, token for token`, async (t) => {
    const cwd = inputFolder(t);
    const outcomes = await Promise.all([
      prepare(cwd, 'whole', ...flags),
      ...[1, 2, 3].map((i) => prepare(cwd, 'parts', '--part', `${String(i)}/3`, ...flags)),
    ]);
    for (const { code, err } of outcomes) t.is(code, 0, err);
    t.deepEqual(readdirSync(path.join(cwd, 'parts')).sort(), ['part-1-of-3', 'part-2-of-3', 'part-3-of-3']);
    for (const split of ['train', 'val'] as const) {
      const [whole, parts] = ['whole', 'parts'].map((name) => bytesOf(path.join(cwd, name), split));
      t.true(whole !== undefined && whole.length > 0);
      t.deepEqual(parts, whole, split);
      const [starts, startsOfParts] = ['whole', 'parts'].map((name) => documentsOf(path.join(cwd, name), split));
      t.is(starts?.[0], 0);
      t.deepEqual(startsOfParts, starts, split);
    }
  });
}

test('train reads a folder of parts as one data set, and names a missing part', async (t) => {
  const cwd = inputFolder(t);
  const made = await Promise.all(
    [1, 2].map((i) => prepare(cwd, 'data', '-t', 'bytes', '--val', 'held-0.txt', '--part', `${String(i)}/2`)),
  );
  t.regex(made[0]?.out ?? '', /data\/part-1-of-2: tokenizer bytes[^]*when all 2 parts are prepared/);
  const train = ['train', '--preset', 'debug', '--set', 'engine=auto', '--set', 'data={dir: data}'];
  const small = ['--set', 'model.block_size=16', '--set', 'train.max_iters=1', '--set', 'run.dir=run'];
  const whole = await espalier(cwd, ...train, ...small);
  t.is(whole.code, 0, whole.err);
  rmSync(path.join(cwd, 'run'), { recursive: true });
  rmSync(path.join(cwd, 'data/part-2-of-2'), { recursive: true });
  const missing = await espalier(cwd, ...train, ...small);
  t.is(missing.code, 2);
  t.regex(missing.err, /data\.dir data: part 2\/2 is missing; prepare it with --part 2\/2 \[ESP_DATA_PARTS\]/);
  mkdirSync(path.join(cwd, 'data/part-3-of-3'));
  t.regex((await espalier(cwd, ...train, ...small)).err, /part-1-of-2 and part-3-of-3 are from different preparations/);
  rmSync(path.join(cwd, 'data/part-3-of-3'), { recursive: true });
  writeFileSync(path.join(cwd, 'data/train.bin'), new Uint8Array(100));
  t.regex((await espalier(cwd, ...train, ...small)).err, /holds part-1-of-2 and token files of its own/);
  t.false(existsSync(path.join(cwd, 'run')));
});

test('invalid parts are refused, and a part that fails leaves the others intact', async (t) => {
  const cwd = inputFolder(t);
  for (const wrong of ['0/3', '4/3', 'a'])
    t.regex((await prepare(cwd, 'data', '-t', 'bytes', '--part', wrong)).err, /i from 1 to n/);
  t.regex(
    (await prepare(cwd, 'data', '-t', 'bytes', '--part', '2/6')).err,
    /5 files to train on cannot be divided into 6 parts.*ESP_PREPARE_PART/,
  );
  const stdin = await piped(cwd, 'text', 'prepare', '-', '-o', 'data', '-t', 'bytes', '--part', '1/1');
  t.regex(stdin.err, /cannot divide/);
  t.false(existsSync(path.join(cwd, 'data')));
  mkdirSync(path.join(cwd, 'data/part-1-of-2'), { recursive: true });
  t.regex(
    (await prepare(cwd, 'data', '-t', 'bytes', '--part', '1/3')).err,
    /holds part-1-of-2.*with 3 parts: choose another/,
  );
  t.regex((await prepare(cwd, 'data', '-t', 'bytes', '--force')).err, /holds part-1-of-2.*with complete data/);
  writeFileSync(path.join(cwd, 'text-4.txt'), Uint8Array.of(0x61, 0xff));
  const [first, last] = await Promise.all(
    [1, 5].map((i) => prepare(cwd, 'new/data', '-t', 'bytes', '--val', 'held-*.txt', '--part', `${String(i)}/5`)),
  );
  t.is(first?.code, 0, first?.err);
  t.is(last?.code, 2);
  t.deepEqual(readdirSync(path.join(cwd, 'new/data')), ['part-1-of-5']);
});

const definitions: Record<string, object> = {
  ...componentTokenizers(),
  // Whose merges cross line ends, spaces and marks.
  'byte level': byteLevelTokenizer(),
};
const names = [
  'Llama 2',
  'added spaces, without a decoder',
  'pre-tokenizer Split as Llama 3',
  'Unigram',
  'byte level',
  'gpt2',
];

// Long enough for several pieces; what is at a cut differs from one to the next.
const text = Array.from(
  { length: 9000 },
  (_, i) => `the ab${' '.repeat(i % 3)}, a b.\n<|a b|> cat!! aa 中文é ${'a'.repeat(i % 7)}.\n`,
).join('');

for (const name of names) {
  needing(tokenizerLibrary())(
    `a text as a file, from standard input and as one record has the same tokens: ${name}`,
    async (t) => {
      const folder = emptyFolder(t);
      const definition = definitions[name];
      const tokenizer = definition === undefined ? name : 'tokenizer.json';
      if (definition !== undefined) writeFileSync(path.join(folder, tokenizer), JSON.stringify(definition));
      writeFileSync(path.join(folder, 'a.txt'), text);
      writeFileSync(path.join(folder, 'a.jsonl'), JSON.stringify({ text }));
      writeFileSync(path.join(folder, 'val.txt'), 'the cat');
      const rest = ['-t', tokenizer, '--val', 'val.txt', '-q', '-o'];
      const made = [
        await espalier(folder, 'prepare', 'a.txt', ...rest, 'file'),
        await espalier(folder, 'prepare', 'a.jsonl', ...rest, 'record'),
        await piped(folder, text, 'prepare', '-', '--format', 'text', ...rest, 'stdin'),
      ];
      for (const { code, err } of made) t.is(code, 0, err);
      const shard = (out: string): Buffer => readFileSync(path.join(folder, out, 'train_000001.bin'));
      t.true(shard('record').length > 200_000);
      t.true(shard('file').equals(shard('record')));
      t.true(shard('stdin').equals(shard('record')));
    },
  );
}
