import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { removeUnfinished, writeWhole, writeWholeSync } from '../../../plugins/files/writing/write-whole.js';
import { emptyFolder } from '../../e2e/command.js';
import { needing, posix } from '../../needs.js';

test('a file is replaced as a whole; when it cannot be, it stays and nothing is left', async (t) => {
  const folder = emptyFolder(t);
  const file = path.join(folder, 'a.json');
  await writeWhole(file, 'one');
  writeWholeSync(file, Buffer.from('two'));
  t.is(readFileSync(file, 'utf8'), 'two');
  mkdirSync(path.join(folder, 'taken'));
  await t.throwsAsync(writeWhole(path.join(folder, 'taken'), ''));
  t.throws(() => {
    writeWholeSync(path.join(folder, 'missing/b'), '');
  });
  t.deepEqual(readdirSync(folder).sort(), ['a.json', 'taken']);
});

test('what a killed process left goes, what is called alike stays', (t) => {
  const folder = emptyFolder(t);
  for (const name of ['.best.12-0-3.unfinished', 'best.1234567', 'report.html.20240101', '.x.unfinished'])
    writeFileSync(path.join(folder, name), '');
  removeUnfinished(folder);
  removeUnfinished(path.join(folder, 'missing'));
  t.deepEqual(readdirSync(folder).sort(), ['.x.unfinished', 'best.1234567', 'report.html.20240101']);
});

needing(posix())('a link stays one, the mode of a file that is there is kept, and a device is written to', (t) => {
  const folder = emptyFolder(t);
  const file = path.join(folder, 'file');
  writeFileSync(file, 'one');
  chmodSync(file, 0o640);
  symlinkSync('file', path.join(folder, 'link'));
  writeWholeSync(path.join(folder, 'link'), 'two');
  t.is(readFileSync(file, 'utf8'), 'two');
  t.is(statSync(file).mode & 0o777, 0o640);
  t.deepEqual(readdirSync(folder).sort(), ['file', 'link']);
  writeWholeSync('/dev/null', 'gone');
  t.true(statSync('/dev/null').isCharacterDevice());
});
