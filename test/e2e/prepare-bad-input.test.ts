import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { emptyFolder, espalier } from './command.js';
import { zstdFrame } from './packed.js';

interface BadInput {
  what: string;
  args: string[];
  files?: Record<string, string | Uint8Array>;
  message: RegExp;
}

const good = '{"text": "a record"}\n';
/** Longer than what is encoded at a time, so that places have to be counted across pieces. */
const manyLines = good.repeat(20_000);
const manyBytes = 'some text\n'.repeat(40_000);
const parquet = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: 'body', data: ['a', 'b'] },
      { name: 'number', data: [1, 2] },
    ],
  }),
);

const cases: BadInput[] = [
  { what: 'a file that is not there', args: ['absent.txt'], message: /absent\.txt.*ESP_PREPARE_INPUT/ },
  { what: 'a pattern without a match', args: ['*.jsonl'], message: /\*\.jsonl matches no file.*ESP_PREPARE_INPUT/ },
  {
    what: 'a folder for a tokenizer',
    args: ['a.txt', '-t', '.'],
    files: { 'a.txt': 'a' },
    message: /--tokenizer \.: plugin \.: .* is a folder; name the file in it \[ESP_PLUGIN_NOT_FOUND\]/,
  },
  { what: 'a folder', args: ['in'], files: { 'in/a.txt': 'a' }, message: /in is a folder.*in\/\*\*\/\*\.txt/ },
  {
    what: 'a JSONL line that is no JSON',
    args: ['a.jsonl.gz'],
    files: { 'a.jsonl.gz': gzipSync(`${manyLines}{"text": \n${good}`) },
    message: /a\.jsonl\.gz: line 20001 is not JSON.*ESP_PREPARE_JSON/,
  },
  {
    what: 'a missing field',
    args: ['a.jsonl', '--field', 'body'],
    files: { 'a.jsonl': '{"body": "a"}\n\n{"text": "a", "id": 1}\n' },
    message: /a\.jsonl: line 3 has no field body; its fields are text, id.*--field/,
  },
  {
    what: 'a field that is no text',
    args: ['a.jsonl'],
    files: { 'a.jsonl': `${good}{"text": 3}\n` },
    message: /line 2 has no text in its field text: it is of type number/,
  },
  {
    what: 'text that is not UTF-8',
    args: ['a.txt'],
    files: { 'a.txt': Buffer.concat([Buffer.from(manyBytes), Buffer.from([0xe9, 0x20])]) },
    message: /a\.txt: byte 400000 is not UTF-8 \(0xe9\).*ESP_PREPARE_UTF8/,
  },
  {
    what: 'a column that the Parquet file has not',
    args: ['a.parquet'],
    files: { 'a.parquet': parquet },
    message: /a\.parquet has no column text; its columns are body, number.*--field/,
  },
  {
    what: 'a column that is no text',
    args: ['a.parquet', '--field', 'number'],
    files: { 'a.parquet': parquet },
    message: /a\.parquet has no text in column number/,
  },
  {
    what: 'no Parquet',
    args: ['a.parquet'],
    files: { 'a.parquet': manyLines },
    message: /a\.parquet.*ESP_PREPARE_PARQUET/,
  },
  {
    what: 'a gzip file that is cut off',
    args: ['a.txt.gz'],
    files: { 'a.txt.gz': gzipSync(manyBytes).subarray(0, 500) },
    message: /a\.txt\.gz cannot be unpacked as gzip.*ESP_PREPARE_COMPRESSED/,
  },
  {
    what: 'a zstd file that is cut off',
    args: ['a.txt.zst'],
    files: { 'a.txt.zst': zstdFrame(Buffer.from(manyBytes)).subarray(0, 300_000) },
    message: /a\.txt\.zst cannot be unpacked as zstd.*ESP_PREPARE_COMPRESSED/,
  },
  {
    what: 'too little for two splits',
    args: ['a.jsonl'],
    files: { 'a.jsonl': good },
    message: /no val text.*ESP_PREPARE_SPLIT/,
  },
  { what: 'an empty input', args: ['a.txt'], files: { 'a.txt': '' }, message: /no train text.*ESP_PREPARE_SPLIT/ },
  {
    what: 'validation data that is all there is',
    args: ['a.txt', '--val', '*.txt'],
    files: { 'a.txt': 'abc' },
    message: /nothing is left to train on.*ESP_PREPARE_SPLIT/,
  },
  {
    what: 'two ways to choose validation data',
    args: ['a.txt', '--val', 'b.txt', '--val-share', '0.1'],
    files: { 'a.txt': 'abc', 'b.txt': 'abc' },
    message: /one of --val and --val-share/,
  },
  { what: 'a share over 1', args: ['a.txt', '--val-share', '10'], message: /between 0 and 1/ },
  {
    what: 'an unknown tokenizer',
    args: ['a.txt', '-t', 'gpt-2'],
    files: { 'a.txt': 'abc' },
    message: /"gpt-2".*"gpt2"/,
  },
  {
    what: 'a tokenizer.json that is none',
    args: ['a.txt', '-t', 'tokenizer.json'],
    files: { 'a.txt': 'abc', 'tokenizer.json': '{}' },
    message: /tokenizer\.json is no tokenizer\.json.*ESP_TOKENIZER_FILE/s,
  },
  {
    what: 'a folder that holds data',
    args: ['a.txt', '-o', 'in'],
    files: { 'a.txt': 'abc', 'in/train.bin': '' },
    message: /in holds data already.*--force.*ESP_PREPARE_OUT/,
  },
  {
    what: 'an --out where no folder can be made',
    args: ['a.txt', '-o', '/proc/espalier/data'],
    files: { 'a.txt': 'abc' },
    message: /\/proc\/espalier\/data cannot be written: .*name another folder with --out \[ESP_PREPARE_WRITE\]/,
  },
  {
    what: 'an --out that is a file',
    args: ['a.txt', '-o', 'a.txt'],
    files: { 'a.txt': 'abc' },
    message: /a\.txt.*ESP_PREPARE/,
  },
];

for (const { what, args, files, message } of cases) {
  test(`${what}: exit code 2, a clear message, nothing written`, async (t) => {
    const folder = emptyFolder(t);
    for (const [name, content] of Object.entries(files ?? {})) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    const before = readdirSync(folder, { recursive: true });
    const { code, err } = await espalier(folder, 'prepare', '-t', 'bytes', '-o', 'a/new/folder', ...args);
    t.is(code, 2, err);
    t.regex(err, message);
    t.notRegex(err, /^\s+at /m, 'a stack trace');
    t.deepEqual(readdirSync(folder, { recursive: true }), before);
  });
}
