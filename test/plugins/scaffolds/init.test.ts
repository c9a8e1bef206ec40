import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import test from 'ava';
import { parse } from 'yaml';
import { runName } from '../../../plugins/scaffolds/init/files.js';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';

test('a new config names its schema, fits it, and trains', async (t) => {
  const folder = emptyFolder(t);
  const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
  writeFileSync(path.join(folder, 'my book.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(40));
  const { code, out, err } = await espalier(folder, 'init', '--yes', '--text', 'my book.txt', '--preset', 'debug');
  t.is(code, 0, err);
  t.regex(out, /^wrote espalier\.config\.yaml, espalier\.schema\.json, \.gitignore\nnext: (npx )?espalier train\n$/);
  t.regex(read('espalier.config.yaml'), /^# yaml-language-server: \$schema=\.\/espalier\.schema\.json\n/);
  t.like(parse(read('espalier.config.yaml')), { extends: ['debug'], data: { text: 'my book.txt' } });
  t.true(
    new Ajv({ strict: false }).compile(JSON.parse(read('espalier.schema.json')))(parse(read('espalier.config.yaml'))),
  );
  t.regex(read('.gitignore'), /^runs\/$/m);
  const trained = await espalier(folder, 'train', '--quiet', '--set', 'train.max_iters=2');
  t.is(trained.code, 0, trained.err);
});

test('--ts writes a config in TypeScript; without a terminal nothing is asked', async (t) => {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'data'));
  t.is((await espalier(folder, 'init', '--ts', '--data', 'data')).code, 0);
  t.false(existsSync(path.join(folder, 'espalier.schema.json')));
  const { code, out, err } = await espalier(folder, 'explain', 'data.dir');
  t.is(code, 0, err);
  t.regex(out, /data\.dir +data +# espalier\.config\.ts/);
});

test('nothing is overwritten without --force; what does not exist is refused', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, '.gitignore'), 'mine\n');
  const first = await espalier(folder, 'init', '--yes');
  t.is(first.code, 0, first.err);
  t.regex(first.out, /\.gitignore exists and is kept/);
  t.is(readFileSync(path.join(folder, '.gitignore'), 'utf8'), 'mine\n');
  const again = await espalier(folder, 'init', '--yes');
  t.is(again.code, 2);
  t.regex(
    again.err,
    /espalier\.config\.yaml, espalier\.schema\.json exist; --force overwrites \[ESP_SCAFFOLD_EXISTS\]/,
  );
  t.is((await espalier(folder, 'init', '--yes', '--force')).code, 0);
  t.regex((await espalier(folder, 'init', '--ts')).err, /this folder already has a config, espalier\.config\.yaml/);
  for (const [args, message] of [
    [['--text', 'no.txt'], /--text no\.txt: there is no such file/],
    [['--data', 'no'], /--data no: there is no such folder/],
    [['--preset', 'no'], /--preset no: there is no such preset; there are char-base/],
    [['--text', 'a', '--data', 'b'], /give one of --text and --data/],
  ] as const) {
    const { code, err } = await espalier(emptyFolder(t), 'init', ...args);
    t.is(code, 2);
    t.regex(err, message);
  }
});

test('a run is named after the folder, as runs may be named', (t) => {
  t.deepEqual(['/a/my book', '/a/.hidden', '/a/12', '/', '/a/-x-'].map(runName), [
    'my-book',
    'hidden',
    'run-12',
    'run',
    'x',
  ]);
});
