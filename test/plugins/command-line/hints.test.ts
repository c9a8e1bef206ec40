import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { otherPrograms, withHint } from '../../../plugins/command-line/shell/hints.js';
import { folderWith } from '../configs/helpers.js';

const hinted = (message: string, typed: readonly string[], hasSet: boolean): Promise<string> =>
  withHint({ message, typed, hasSet }, otherPrograms);
const unknownOption = (option: string, ...typed: string[]): Promise<string> =>
  hinted(`error: unknown option '${option}'\n(Did you mean --set?)\n`, typed, typed[0] === 'train');
const unknownCommand = (...typed: string[]): Promise<string> =>
  hinted(`error: unknown command '${String(typed[0])}'\n`, typed, false);

test('a setting given as an option is suggested with --set, under any known name', async (t) => {
  t.regex(await unknownOption('--max_iters=3', 'train', '--max_iters=3'), /\n\(write --set train\.max_iters=3\)\n$/);
  t.regex(await unknownOption('--seed', 'train', '--seed', '3'), /option '--seed'\n\(write --set seed=3\)\n$/);
  t.regex(await unknownOption('--dtype=f32', 'train', '--dtype=f32'), /\(write --set precision=f32\)/);
  t.regex(await unknownOption('--train.x', 'train', '--train.x', '-q'), /\(write --set train\.x=VALUE\)/);
  const other = "error: unknown option '--presets'\n(Did you mean --preset?)\n";
  t.is(await hinted(other, ['train', '--presets', 'debug'], true), other);
});

test('option names of nanoGPT’s sample.py lead to options of sample', async (t) => {
  t.regex(await unknownOption('--num_samples=3', 'sample', '--num_samples=3'), /\(write --count 3\)/);
  t.notRegex(await unknownOption('--max_iters=3', 'sample', '--max_iters=3'), /write/);
});

test('a setting without --set, and another program’s command, are explained', async (t) => {
  const tooMany = "error: too many arguments for 'train'. Expected 0 arguments but got 1.\n";
  t.regex(await hinted(tooMany, ['train', '-p', 'debug', 'bs=3'], true), /\n\(write --set train\.batch_size=3\)\n$/);
  t.is(await hinted(tooMany, ['train', 'debug'], true), tooMany);
  const file = path.join(await folderWith(t, {}), 'mine.py');
  t.is(await hinted(tooMany, ['train', file], true), tooMany);
  writeFileSync(file, 'batch_size = 2\n');
  t.true(
    (await hinted(tooMany, ['train', file], true)).includes(`(espalier migrate ${file} converts a nanoGPT config file`),
  );
  t.regex(await unknownCommand('resume', 'runs/a'), /\(write espalier train --resume runs\/a\)/);
  t.regex(await unknownCommand('runs'), /\(write espalier dashboard\)/);
  t.regex(await unknownCommand('export', 'runs/a'), /\(write espalier checkpoint export runs\/a\)/);
  t.notRegex(await unknownCommand('constructor'), /write/);
});
