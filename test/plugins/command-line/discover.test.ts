import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Command } from 'commander';
import { addOptions, findCommands, loadCommand } from '../../../plugins/command-line/shell/discover.js';
import { builtInFamilies, familyIn, type Family } from '../../../core/families/family.js';

function family(t: ExecutionContext, name: string, files: Readonly<Record<string, string>>): Family {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-family-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [file, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  return familyIn(folder, name, 'built-in');
}

const command = 'export const command = { define: (command) => command.description("greets") };';
const option = (flags: string): string =>
  `export const options = (command) => { command.option("${flags}"); return { request: (made) => ({ ...made, cwd: "/changed" }) }; };`;

test('plugins, commands and options of a family are found by file name; shared files are not', (t) => {
  const found = family(t, 'greetings', {
    'contract.js': '',
    'hello.js': '',
    'hello.d.ts': '',
    'hello.js.map': '',
    'large/index.js': '',
    'parts/words.js': '',
    'commands/greet.js': command,
    'options/train.js': option('--greet'),
  });
  t.deepEqual([...found.plugins.keys()], ['hello', 'large']);
  t.deepEqual([...found.commands.keys()], ['greet']);
  t.deepEqual([...found.options.keys()], ['train']);
});

test('a file in commands/ is a command', async (t) => {
  const found = findCommands([family(t, 'greetings', { 'commands/greet.js': command })]).get('greet');
  const program = new Command('greet');
  (await loadCommand(found!)).define(program, () => undefined, []);
  t.is(program.description(), 'greets');
});

test('two commands with the same name are refused, naming their owners', (t) => {
  const families = ['one', 'two'].map((name) => family(t, name, { 'commands/greet.js': command }));
  t.throws(() => findCommands(families), {
    message: 'two commands are named greet: one of the family one, one of the family two; rename or remove one',
  });
  t.throws(() => findCommands([...builtInFamilies(), family(t, 'own', { 'commands/train.js': command })]), {
    message: /named train: one of the family command-line, one of the family own/,
  });
});

test('a command file that exports no command is refused by name', async (t) => {
  const found = findCommands([family(t, 'greetings', { 'commands/greet.js': 'export const other = 1;' })]).get('greet');
  await t.throwsAsync(() => loadCommand(found!), { message: /greet of the family greetings \(.*exports no `command`/ });
});

test('options of families are added to a command, with their hooks', async (t) => {
  const train = new Command('train');
  const families = [
    family(t, 'one', { 'options/train.js': option('--greet') }),
    family(t, 'two', { 'options/sample.js': option('--greet') }),
  ];
  const hooks = await addOptions(train, families);
  t.deepEqual(
    train.options.map(({ long }) => long),
    ['--greet'],
  );
  t.deepEqual(hooks[0]?.request?.({ cwd: '/' }), { cwd: '/changed' });
});

test('an option that two families define is refused, naming both', async (t) => {
  const families = ['one', 'two'].map((name) => family(t, name, { 'options/train.js': option('-g, --greet') }));
  await t.throwsAsync(() => addOptions(new Command('train'), families), {
    message:
      'two options of train are named --greet: one of the family one, one of the family two; rename or remove one',
  });
  const own = new Command('train').option('--greet');
  await t.throwsAsync(() => addOptions(own, families), {
    message: 'two options of train are named --greet: one of espalier, one of the family one; rename or remove one',
  });
});
