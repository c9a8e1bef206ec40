import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { zstdFrame } from '../../e2e/packed.js';

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
    message: /--tokenizer \.: plugin \.: .* is a folder; give a file in it \[ESP_PLUGIN_NOT_FOUND\]/,
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
    what: 'a zstd file whose checksum does not match',
    args: [path.resolve('test/fixtures/files/damaged-checksum.jsonl.zst')],
    message: /cannot be unpacked as zstd: the checksum .*ESP_PREPARE_COMPRESSED/,
  },
  {
    what: 'bytes after the end of a gzip file',
    args: ['a.txt.gz'],
    files: { 'a.txt.gz': Buffer.concat([gzipSync(manyBytes), Buffer.alloc(3), gzipSync('more')]) },
    message: /a\.txt\.gz cannot be unpacked as gzip: there is more after its end.*ESP_PREPARE_COMPRESSED/,
  },
  {
    what: 'a row of Parquet that is not UTF-8',
    args: [path.resolve('test/fixtures/files/row-18-not-utf8.parquet')],
    message: /row-18-not-utf8\.parquet: row 18 has text in column text that is not UTF-8.*ESP_PREPARE_UTF8/,
  },
  {
    what: 'UTF-16',
    args: ['a.txt'],
    files: { 'a.txt': Buffer.from(`\ufeff${manyLines}`, 'utf16le') },
    message: /a\.txt is UTF-16: save it as UTF-8, or convert it with `iconv -f UTF-16.*ESP_PREPARE_UTF8/,
  },
  {
    what: 'a CSV table',
    args: ['a.csv'],
    files: { 'a.csv': 'text\nabc\n' },
    message: /a\.csv is a CSV table: convert it to JSONL.*> a\.jsonl.*--field.*ESP_PREPARE_FORMAT/,
  },
  {
    what: 'bzip2',
    args: ['a.txt.bz2'],
    files: { 'a.txt.bz2': Buffer.from('425a6839314159265359', 'hex') },
    message: /a\.txt\.bz2 is bzip2: unpack it first with `bunzip2`.*ESP_PREPARE_FORMAT/,
  },
  {
    what: 'xz',
    args: ['a.jsonl.xz'],
    files: { 'a.jsonl.xz': Buffer.from('fd377a585a000004', 'hex') },
    message: /a\.jsonl\.xz is xz: unpack it first with `unxz`.*ESP_PREPARE_FORMAT/,
  },
  {
    what: 'a tar archive within gzip',
    args: ['a.tgz'],
    files: { 'a.tgz': gzipSync(Buffer.concat([Buffer.alloc(257), Buffer.from('ustar'), Buffer.alloc(250)])) },
    message: /a\.tgz holds a tar archive: .*`tar -xf`.*ESP_PREPARE_FORMAT/,
  },
  {
    what: 'a zip archive',
    args: ['a.docx'],
    files: { 'a.docx': Buffer.from('504b030414000000', 'hex') },
    message: /a\.docx is a zip archive .*unpack it first.*ESP_PREPARE_FORMAT/,
  },
  {
    what: 'Parquet by another name',
    args: ['a.bin'],
    files: { 'a.bin': parquet },
    message: /a\.bin is Parquet: .*--format parquet.*ESP_PREPARE_FORMAT/,
  },
  {
    what: 'an array that is cut off',
    args: ['a.json'],
    files: { 'a.json': '[{"text": "a"}, {"text": "' },
    message: /a\.json is not a JSON file of records: it ends within the array.*ESP_PREPARE_JSON/,
  },
  {
    what: 'a bad record of an array',
    args: ['a.json'],
    files: { 'a.json': `[${good.repeat(3).replaceAll('}\n', '},\n')} {\n"txt": "a"\n}]` },
    message: /a\.json: record 4 has no field text; its fields are txt: give one with --field.*ESP_PREPARE_JSON/,
  },
  {
    what: 'records within a record',
    args: ['a.json'],
    files: { 'a.json': `{"data": [${good.trim()}]}` },
    message: /a\.json: line 1 has no field text; .*`jq -c '\.data\[\]' FILE > NEW\.jsonl`/,
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
    message: /so there is no training data.*ESP_PREPARE_SPLIT/,
  },
  {
    what: 'two ways to choose validation data',
    args: ['a.txt', '--val', 'b.txt', '--val-share', '0.1'],
    files: { 'a.txt': 'abc', 'b.txt': 'abc' },
    message: /either --val or --val-share/,
  },
  { what: 'a share over 1', args: ['a.txt', '--val-share', '10'], message: /between 0 and 1/ },
  {
    what: 'an unknown tokenizer',
    args: ['a.txt', '-t', 'gpt-2'],
    files: { 'a.txt': 'abc' },
    message: /"gpt-2".*"gpt2"/,
  },
  {
    what: 'a tokenizer.json that is not a tokenizer',
    args: ['a.txt', '-t', 'tokenizer.json'],
    files: { 'a.txt': 'abc', 'tokenizer.json': '{}' },
    message: /tokenizer\.json is not a usable tokenizer\.json.*ESP_TOKENIZER_FILE/s,
  },
  {
    what: 'a folder that holds data',
    args: ['a.txt', '-o', 'in'],
    files: { 'a.txt': 'abc', 'in/train.bin': '' },
    message: /in already has data.*--force.*ESP_PREPARE_OUT/,
  },
  {
    what: 'an --out where no folder can be made',
    args: ['a.txt', '-o', '/proc/espalier/data'],
    files: { 'a.txt': 'abc' },
    message: /\/proc\/espalier\/data cannot be written: .*choose another folder with --out \[ESP_PREPARE_WRITE\]/,
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
