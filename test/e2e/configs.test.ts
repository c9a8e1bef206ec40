import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { emptyFolder } from './command.js';
import { espalier } from './warm.js';

test('a file that nobody named is neither run nor read', async (t) => {
  const cwd = emptyFolder(t);
  mkdirSync(path.join(cwd, '.config'));
  writeFileSync(path.join(cwd, '.config', 'config.js'), 'console.log("ran"); module.exports = { searchPlaces: [] };');
  const explained = await espalier(cwd, 'explain', '--preset', 'debug', 'seed');
  t.deepEqual(explained, { code: 0, out: 'seed  1337  # default\n', err: '' });
  writeFileSync(path.join(cwd, '.config', 'config.json'), '{');
  writeFileSync(path.join(cwd, 'package.yaml'), 'cosmiconfig: { searchPlaces: [other.yaml] }\nespalier: { seed: 8 }\n');
  writeFileSync(path.join(cwd, 'other.yaml'), 'seed: 9\n');
  t.deepEqual(await espalier(cwd, 'explain', '--preset', 'debug', 'seed'), explained);
});

test('a broken package.json is read only where a config is looked for in it, and is an error with its line then', async (t) => {
  const cwd = emptyFolder(t);
  writeFileSync(path.join(cwd, 'package.json'), '{\n  "name": "x",\n');
  writeFileSync(path.join(cwd, 'mine.yaml'), 'extends: [debug]\nseed: 5\n');
  const named = await espalier(cwd, 'explain', '--config', 'mine.yaml', 'seed');
  t.deepEqual(named, { code: 0, out: 'seed  5  # mine.yaml:2\n', err: '' });
  const searched = await espalier(cwd, 'explain', '--preset', 'debug', 'seed');
  t.is(searched.code, 2);
  t.regex(searched.err, /^espalier: package\.json:[23]: not valid JSON: [^\n]* \[ESP_CONFIG_SYNTAX\]\n$/);
});

test('a run is called what was typed, and a TypeScript config that holds itself ends at once', async (t) => {
  const cwd = emptyFolder(t);
  const set = ['run.name=9509425349e4', 'data.text=007', 'plugins.samples.prompts=[1e3, ~]'];
  const named = await espalier(cwd, 'explain', '-p', 'debug', ...set.flatMap((each) => ['--set', each]), '--json');
  t.is(named.code, 0, named.err);
  for (const text of ['9509425349e4', '007', '1e3', '~']) t.true(named.out.includes(JSON.stringify(text)), text);
  writeFileSync(path.join(cwd, 'self.ts'), "const a: any = { extends: ['debug'] }; a.self = a; export default a;");
  const self = await espalier(cwd, 'explain', '-c', 'self.ts');
  t.is(self.code, 2);
  t.regex(self.err, /^espalier: self\.ts: key self: it is the whole config.*\[ESP_CONFIG_VALUE\]\n$/);
});

test.serial('~ is the home folder in every path that no shell expands', async (t) => {
  const home = emptyFolder(t);
  const cwd = emptyFolder(t);
  const before = { HOME: process.env['HOME'], USERPROFILE: process.env['USERPROFILE'] };
  Object.assign(process.env, { HOME: home, USERPROFILE: home });
  t.teardown(() => Object.assign(process.env, before));
  writeFileSync(path.join(home, 'book.txt'), 'call me ishmael. '.repeat(200));
  writeFileSync(path.join(home, 'base.yaml'), 'extends: [debug]\nplugins: { ~/mine.ts: {} }\n');
  const plugin = "@Plugin({ name: 'mine', summary: 'test' })\nexport default class Mine {}\n";
  writeFileSync(path.join(home, 'mine.ts'), `import { Plugin } from 'espalier';\n${plugin}`);
  writeFileSync(path.join(cwd, 'espalier.config.yaml'), 'extends: [~/base.yaml]\ndata: { text: ~/book.txt }\n');
  const dry = await espalier(cwd, 'train', '--dry-run', '--json', '--set', 'run.dir=~/out');
  t.is(dry.code, 0, dry.err);
  const facts: unknown = JSON.parse(dry.out);
  t.is(Reflect.get(Object(facts), 'runFolder'), path.join(home, 'out'));
  const prepared = await espalier(cwd, 'prepare', '~/book.txt', '-t', 'bytes', '--out=~/shards');
  t.is(prepared.code, 0, prepared.err);
  t.true(existsSync(path.join(home, 'shards', 'meta.json')));
  const named = await espalier(cwd, 'explain', '--config=~/base.yaml', '--set', 'data.text=~other', 'data.text');
  t.is(named.out, 'data.text  "~other"  # --set\n', named.err);
  t.false(existsSync(path.join(cwd, '~')));
});
