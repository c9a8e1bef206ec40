import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { byteLevelTokenizer } from '../../plugins/tokenizers/hf-definition.js';
import { wholeData } from './masked.js';
import { emptyFolder, piped } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { llmCShard, zstdFrame } from '../../e2e/packed.js';

const records = Array.from({ length: 40 }, (_, i) => `Record ${String(i)}: ünï ${'word '.repeat(i)}end.`);
const jsonl = records.map((text) => `${JSON.stringify({ id: 1, text })}\n`).join('');
const bytesOf = (texts: readonly string[]): number[] =>
  texts.flatMap((text, index) => [...(index > 0 ? [256] : []), ...Buffer.from(text)]);

function shardsOf(folder: string, split: 'train' | 'val'): Buffer {
  const names = readdirSync(folder).filter((name) => name.startsWith(split) && name.endsWith('.bin'));
  return Buffer.concat(names.sort().map((name) => readFileSync(path.join(folder, name))));
}

function tokensOf(folder: string, split: 'train' | 'val'): number[] {
  const bytes = shardsOf(folder, split);
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}

test('records of JSONL, gzip, zstd, Parquet and standard input give the same shards', async (t) => {
  const folder = emptyFolder(t);
  const data = {
    columnData: [
      { name: 'text', data: records },
      { name: 'id', data: records.map(() => 1) },
    ],
  };
  const inputs: Record<string, string | Uint8Array> = {
    'a.jsonl': jsonl,
    'a.jsonl.gz': gzipSync(jsonl),
    'a.jsonl.zst': zstdFrame(Buffer.from(jsonl)),
    'a.parquet': new Uint8Array(parquetWriteBuffer({ ...data, rowGroupSize: 7 })),
    'a.json': `\ufeff${jsonl.replaceAll('\n', '\r\n\n')}`,
    'a.jsonlines': jsonl,
    'array.json.gz': gzipSync(
      JSON.stringify(
        records.map((text) => ({ id: [1, { text: ']' }], text })),
        null,
        1,
      ),
    ),
    'printed.json': records.map((text) => JSON.stringify({ text, id: {} }, null, 2)).join('\n'),
  };
  for (const [name, content] of Object.entries(inputs)) {
    writeFileSync(path.join(folder, name), content);
    const { code, err } = await espalier(folder, 'prepare', name, '-t', 'bytes', '-o', `out-${name}`);
    t.is(code, 0, err);
  }
  const stdin = await piped(
    folder,
    gzipSync(jsonl),
    'prepare',
    '-',
    '--field',
    'text',
    '-t',
    'bytes',
    '-o',
    'out-stdin',
  );
  t.is(stdin.code, 0, stdin.err);
  const val = records.filter((_, i) => i % 10 === 4);
  const train = records.filter((_, i) => i % 10 !== 4);
  for (const out of [...Object.keys(inputs), 'stdin'].map((name) => path.join(folder, `out-${name}`))) {
    t.deepEqual(tokensOf(out, 'train'), bytesOf(train), out);
    t.deepEqual(tokensOf(out, 'val'), bytesOf(val), out);
  }
});

test('files that pzstd, fastparquet and pyarrow write are read', async (t) => {
  const folder = emptyFolder(t);
  for (const [name, text] of [
    ['pzstd.jsonl.zst', 'row 0'],
    ['fastparquet-lz4.parquet', 'Record 0: '],
    ['json-column.parquet', '{"a":1}'],
  ] as const) {
    const file = path.resolve('test/fixtures/files', name);
    const { code, err } = await espalier(folder, 'prepare', file, '-t', 'bytes', '-o', name);
    t.is(code, 0, err);
    t.is(Buffer.from(tokensOf(path.join(folder, name), 'train').slice(0, text.length)).toString(), text);
  }
});

test('the end-of-text token is printed, and can be chosen; without one there is a warning', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'a.jsonl'), '{"text":"ab"}\n'.repeat(20));
  const token = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = [
    { ...token, id: 256, content: '<mark>' },
    { ...token, id: 257, content: '<eos>' },
  ];
  writeFileSync(path.join(folder, 't.json'), JSON.stringify({ ...byteLevelTokenizer(), added_tokens: added }));
  const prepare = (tokenizer: string, ...more: string[]) =>
    espalier(folder, 'prepare', 'a.jsonl', '-t', tokenizer, '-o', 'out', '--force', ...more);
  for (const [args, shown] of [
    [[], /end of text: <eos> \(id (\d+)\)/],
    [['--end-of-text', '<mark>'], /end of text: <mark> \(id (\d+)\)/],
  ] as const) {
    const { code, err } = await prepare('t.json', ...args);
    t.is(code, 0, err);
    t.is(tokensOf(path.join(folder, 'out'), 'train')[2], Number(shown.exec(err)?.[1]), err);
  }
  const absent = await prepare('t.json', '--end-of-text', '<end>');
  t.is(absent.code, 2);
  t.regex(absent.err, /t\.json has no token "<end>".*ESP_TOKENIZER_FILE/);
  const own = await prepare('gpt2', '--end-of-text', '<end>');
  t.is(own.code, 2);
  t.regex(own.err, /--end-of-text <end>: the tokenizer gpt2 does not take one/);
  const none = await prepare('char', '--quiet');
  t.is(none.code, 0);
  t.regex(
    none.err,
    /texts are joined without a separator: the tokenizer char has no end-of-text token; .*--end-of-text/,
  );
});

test('JSONL with another file extension is read as text with a warning, unless the format is given', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'a.txt'), jsonl);
  const prepare = (...more: string[]) =>
    espalier(folder, 'prepare', 'a.txt', '-t', 'char', '-o', 'out', '--force', '--quiet', ...more);
  const guessed = await prepare();
  t.is(guessed.code, 0);
  t.regex(guessed.err, /^a\.txt is read as text, but looks like JSONL: --format jsonl reads the field text[^\n]*\n$/);
  t.deepEqual(await prepare('--format', 'text'), { code: 0, out: '', err: '' });
});

test('empty texts are dropped and counted', async (t) => {
  const folder = emptyFolder(t);
  const texts = ['a', '', ' \n', 'b', ''];
  writeFileSync(
    path.join(folder, 'a.jsonl'),
    texts
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join('')
      .repeat(8),
  );
  writeFileSync(path.join(folder, 'b.txt'), '');
  const { code, out, err } = await espalier(folder, 'prepare', 'a.jsonl', 'b.txt', '-t', 'bytes', '-o', 'out');
  t.is(code, 0, err);
  t.regex(out, /\n {2}17 empty texts dropped/);
  const meta: { documents: unknown } = JSON.parse(readFileSync(path.join(folder, 'out/meta.json'), 'utf8'));
  t.deepEqual(meta.documents, { train: 22, val: 2, empty: 17 });
  const kept = Array.from({ length: 24 }, (_, i) => ['a', ' \n', 'b'][i % 3] ?? '');
  t.deepEqual(tokensOf(path.join(folder, 'out'), 'train'), bytesOf(kept.filter((_, i) => i % 10 !== 4)));
});

test('byte order marks are removed, and do not move the split', async (t) => {
  const folder = emptyFolder(t);
  const line = 'Call me Ishmael.\r\n';
  const files = {
    'plain.txt': line.repeat(100),
    'mark.txt': `\ufeff${line.repeat(100)}`,
    'mark.txt.gz': gzipSync(`\ufeff${line.repeat(100)}`),
  };
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(path.join(folder, name), content);
    const { code, err } = await espalier(folder, 'prepare', name, '-t', 'char', '-o', `out-${name}`);
    t.is(code, 0, err);
  }
  for (const split of ['train', 'val'] as const) {
    const expected = tokensOf(path.join(folder, 'out-plain.txt'), split);
    for (const name of ['mark.txt', 'mark.txt.gz']) {
      t.deepEqual(tokensOf(path.join(folder, `out-${name}`), split), expected);
    }
  }
  // Files of which each has a mark, one after the other.
  writeFileSync(path.join(folder, 'joined.txt'), `\ufeff${line}`.repeat(100));
  const joined = await espalier(folder, 'prepare', 'joined.txt', '-t', 'char', '-o', 'out', '--json');
  const { tokenizer }: { tokenizer: { characters: string } } = JSON.parse(joined.out);
  t.is(tokenizer.characters, '\n\r .CIaehlms');
});

test('the end of a text is validation data; compressed, piped and plain input give the same', async (t) => {
  const folder = emptyFolder(t);
  const text = readFileSync('docs/architecture.md', 'utf8').repeat(80);
  writeFileSync(path.join(folder, 'a.txt'), text);
  writeFileSync(path.join(folder, 'b.txt.gz'), gzipSync(text));
  const options = ['-t', 'char', '--val-share', '0.25', '--quiet'];
  for (const workers of ['1', '3']) {
    const made = await espalier(folder, 'prepare', 'a.txt', '-o', `out${workers}`, '--workers', workers, ...options);
    t.deepEqual(made, { code: 0, out: '', err: '' });
  }
  t.is((await espalier(folder, 'prepare', 'b.txt.gz', '-o', 'out-gz', ...options)).code, 0);
  t.is((await piped(folder, text, 'prepare', '-', '-o', 'out-stdin', ...options)).code, 0);
  const ids = new Map(
    [...new Set(text)].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0)).map((c, i) => [c, i]),
  );
  const expected = Uint16Array.from(text, (character) => ids.get(character) ?? NaN);
  for (const name of ['out1', 'out3', 'out-gz', 'out-stdin']) {
    const out = path.join(folder, name);
    t.deepEqual(readdirSync(out), wholeData);
    const val = shardsOf(out, 'val');
    // As bytes: comparing a million numbers one by one takes longer than making them.
    t.true(Buffer.concat([shardsOf(out, 'train'), val]).equals(new Uint8Array(expected.buffer)), name);
    t.true(Math.abs(val.length / expected.byteLength - 0.25) < 0.001);
  }
  t.is(
    readFileSync(path.join(folder, 'out1/meta.json'), 'utf8'),
    readFileSync(path.join(folder, 'out3/meta.json'), 'utf8'),
  );
});

test('validation files never overlap training data; shards have the given size; data is replaced only with --force', async (t) => {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'in'));
  for (const name of ['a', 'b', 'c']) writeFileSync(path.join(folder, `in/${name}.txt`), name.repeat(25));
  const args = ['prepare', 'in/*.txt', 'in/a.txt', '--val', 'in/c*', '-t', 'bytes', '-o', 'out'];
  const first = await espalier(folder, ...args, '--shard-tokens', '20', '--json');
  t.is(first.code, 0, first.err);
  const out = path.join(folder, 'out');
  t.deepEqual(tokensOf(out, 'train'), bytesOf(['a'.repeat(25), 'b'.repeat(25)]));
  t.deepEqual(tokensOf(out, 'val'), bytesOf(['c'.repeat(25)]));
  const meta: { shards: { train: { tokens: number }[] } } = JSON.parse(first.out);
  t.deepEqual(meta, JSON.parse(readFileSync(path.join(out, 'meta.json'), 'utf8')));
  t.deepEqual(
    meta.shards.train.map((shard) => shard.tokens),
    [20, 20, 11],
  );

  const again = await espalier(folder, ...args);
  t.is(again.code, 2);
  t.regex(again.err, /--force.*ESP_PREPARE_OUT/s);
  t.is((await espalier(folder, ...args, '--force')).code, 0);
  t.deepEqual(readdirSync(out), wholeData);
});

test('a run trains on prepared data, and samples with its tokenizer', async (t) => {
  const folder = emptyFolder(t);
  // An added token over 65,535 makes the ids need four bytes.
  const wide = byteLevelTokenizer({ ab: 70_000 });
  writeFileSync(path.join(folder, 'wide.json'), JSON.stringify(wide));
  writeFileSync(path.join(folder, 'a.txt'), readFileSync('README.md', 'utf8'));
  const debug = ['--preset', 'debug', '--set', 'engine=auto', '--set', 'train.max_iters=2', '--set', 'model.n_embd=8'];
  for (const [tokenizer, dtype] of [
    ['bytes', 'uint16'],
    ['gpt2', 'uint16'],
    ['wide.json', 'uint32'],
  ] as const) {
    const made = await espalier(folder, 'prepare', 'a.txt', '-t', tokenizer, '-o', tokenizer.replace('.json', ''));
    t.is(made.code, 0, made.err);
    t.regex(made.out, new RegExp(dtype));
    const data = `data={dir: ${tokenizer.replace('.json', '')}}`;
    const run = `run.dir=run-${tokenizer}`;
    const trained = await espalier(folder, 'train', ...debug, '--set', data, '--set', run);
    t.is(trained.code, 0, trained.err);
    const sampled = await espalier(folder, 'sample', `run-${tokenizer}`, '--prompt', 'The plügin', '--tokens', '2');
    t.is(sampled.code, 0, sampled.err);
    t.true(sampled.out.startsWith('The plügin'), sampled.out);
  }
});

test('data made by nanoGPT and llm.c is read unchanged', async (t) => {
  const folder = emptyFolder(t);
  const tokens = Uint16Array.from({ length: 500 }, (_, i) => i % 60);
  const bytes = Buffer.from(tokens.buffer);
  const files = {
    'nano/train.bin': bytes,
    'nano/val.bin': bytes,
    'nano/meta.pkl': 'cos\nsystem\n(S"exit 1"\ntR.',
    'llmc/tiny_train_000000.bin': llmCShard(tokens),
    'llmc/tiny_train_000001.bin': llmCShard(tokens),
    'llmc/tiny_val_000000.bin': llmCShard(tokens),
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  for (const [dir, count] of [
    ['nano', '500 training'],
    ['llmc', '1,000 training'],
  ] as const) {
    const args = [
      '--preset',
      'debug',
      '--set',
      'engine=auto',
      '--set',
      `data={dir: ${dir}}`,
      '--set',
      'train.max_iters=1',
    ];
    const { code, err } = await espalier(folder, 'train', ...args, '--set', `run.dir=run-${dir}`);
    t.is(code, 0, err);
    t.regex(err, new RegExp(`${count} and 500 validation tokens, vocabulary of 60`));
  }
});
