import {
  appendFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import { keepLines } from '../../../plugins/index.js';
import { emptyFolder } from '../../e2e/command.js';

test('wanted lines are kept in order, and a partial last line is removed', (t) => {
  const file = path.join(emptyFolder(t), 'log');
  const line = fc.constantFrom('', 'a', 'bb', 'é');
  fc.assert(
    fc.property(
      fc.array(line),
      line,
      fc.constantFrom('a', 'bb', ''),
      fc.nat({ max: 5 }),
      (lines, rest, unwanted, more) => {
        writeFileSync(file, lines.map((each) => `${each}\n`).join('') + rest);
        const kept = lines.filter((each) => each !== unwanted);
        t.is(
          // Chunks that end anywhere, also within a character.
          keepLines(file, (each) => each !== unwanted, 1 + more),
          kept.length,
        );
        t.is(readFileSync(file, 'utf8'), kept.map((each) => `${each}\n`).join(''));
      },
    ),
    { numRuns: 60 },
  );
});

test('a missing file is not created; an unreadable one is an error', (t) => {
  const folder = emptyFolder(t);
  t.is(
    keepLines(path.join(folder, 'none'), () => true),
    0,
  );
  t.false(existsSync(path.join(folder, 'none')));
  t.throws(() => keepLines(folder, () => true), { code: 'EISDIR' });
});

test('a file that only loses its end is truncated in place; otherwise it is replaced, following links', (t) => {
  const folder = emptyFolder(t);
  const file = path.join(folder, 'log');
  const link = path.join(folder, 'link');
  writeFileSync(file, 'a\nb\nc\nd\n', { mode: 0o640 });
  symlinkSync(file, link);
  const { ino, mode } = statSync(file);
  keepLines(link, (line) => line < 'd');
  t.is(statSync(file).ino, ino);
  t.is(readFileSync(file, 'utf8'), 'a\nb\nc\n');
  keepLines(link, (line) => line !== 'b');
  t.is(readFileSync(file, 'utf8'), 'a\nc\n');
  t.is(statSync(file).mode, mode);
  t.true(lstatSync(link).isSymbolicLink());
  t.throws(
    () =>
      keepLines(file, (line) => {
        if (line === 'c') throw new Error('asked for');
        return false;
      }),
    { message: 'asked for' },
  );
  t.is(readFileSync(file, 'utf8'), 'a\nc\n');
  t.deepEqual(readdirSync(folder).sort(), ['link', 'log']);
});

test('a log over 512 MiB, more than a string holds, is cut', (t) => {
  const file = path.join(emptyFolder(t), 'log');
  const lines = 66;
  const lineBytes = 8 * 2 ** 20;
  // Lines of holes, which take no disk.
  writeFileSync(file, '');
  for (let line = 1; line <= lines; line++) {
    truncateSync(file, line * lineBytes - 1);
    appendFileSync(file, '\n');
  }
  appendFileSync(file, 'last\nha');
  t.is(
    keepLines(file, (line) => line !== 'last'),
    lines,
  );
  t.is(statSync(file).size, lines * lineBytes);
});
