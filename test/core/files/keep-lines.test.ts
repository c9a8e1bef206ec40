import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { keepLines } from '../../../core/index.js';
import { emptyFolder } from '../../e2e/command.js';

test('the lines that are wanted are left, in order, and half a line at the end is not', (t) => {
  const file = path.join(emptyFolder(t), 'log');
  const line = fc.constantFrom('', 'a', 'bb', 'é');
  fc.assert(
    fc.property(fc.array(line), line, fc.constantFrom('a', 'bb', ''), (lines, rest, unwanted) => {
      writeFileSync(file, lines.map((each) => `${each}\n`).join('') + rest);
      const kept = lines.filter((each) => each !== unwanted);
      t.is(
        keepLines(file, (each) => each !== unwanted),
        kept.length,
      );
      t.is(readFileSync(file, 'utf8'), kept.map((each) => `${each}\n`).join(''));
    }),
    { numRuns: 60 },
  );
});

test('nothing is made where there is no file; what cannot be read is an error', (t) => {
  const folder = emptyFolder(t);
  t.is(
    keepLines(path.join(folder, 'none'), () => true),
    0,
  );
  t.false(existsSync(path.join(folder, 'none')));
  t.throws(() => keepLines(folder, () => true), { code: 'EISDIR' });
});
