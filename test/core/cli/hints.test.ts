import test from 'ava';
import { withHint } from '../../../core/cli/hints.js';

const unknownOption = (option: string, ...typed: string[]): string =>
  withHint(`error: unknown option '${option}'\n(Did you mean --set?)\n`, typed, typed[0] === 'train');
const unknownCommand = (...typed: string[]): string =>
  withHint(`error: unknown command '${String(typed[0])}'\n`, typed, false);

test('an option that is a setting is told with --set, by whatever name', (t) => {
  t.regex(unknownOption('--max_iters=3', 'train', '--max_iters=3'), /\n\(write --set train\.max_iters=3\)\n$/);
  t.regex(unknownOption('--seed', 'train', '--seed', '3'), /option '--seed'\n\(write --set seed=3\)\n$/);
  t.regex(unknownOption('--train.x', 'train', '--train.x', '-q'), /\(write --set train\.x=VALUE\)/);
  const other = "error: unknown option '--presets'\n(Did you mean --preset?)\n";
  t.is(withHint(other, ['train', '--presets', 'debug'], true), other);
});

test('names of nanoGPT’s sample.py lead to options of sample, which has no settings', (t) => {
  t.regex(unknownOption('--num_samples=3', 'sample', '--num_samples=3'), /\(write --count 3\)/);
  t.notRegex(unknownOption('--max_iters=3', 'sample', '--max_iters=3'), /write/);
});

test('a setting without --set, and a command of another program', (t) => {
  const tooMany = "error: too many arguments for 'train'. Expected 0 arguments but got 1.\n";
  t.regex(withHint(tooMany, ['train', '-p', 'debug', 'bs=3'], true), /\n\(write --set train\.batch_size=3\)\n$/);
  t.is(withHint(tooMany, ['train', 'debug'], true), tooMany);
  t.regex(unknownCommand('resume', 'runs/a'), /\(write espalier train --resume runs\/a\)/);
  t.regex(unknownCommand('runs'), /\(write espalier dashboard\)/);
  t.notRegex(unknownCommand('constructor'), /write/);
});
