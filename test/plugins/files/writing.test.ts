import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  mkdtempSync,
  rmSync,
} from 'node:fs';
import path from 'node:path';
import { tmpdir } from 'node:os';
import test from 'ava';
import { removeUnfinished, writeWhole, writeWholeSync } from '../../../plugins/files/writing/write-whole.js';
import { emptyFolder } from '../../e2e/command.js';
import { needing, posix, linux } from '../../needs.js';
import { makeFolder } from '../../../plugins/files/writing/make-folder.js';
import { retried, retriedSync } from '../../../plugins/files/writing/retried.js';
import { flushFolder } from '../../../plugins/files/writing/flush.js';

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

test('makes what is missing and names the topmost of it; what is there stays', (t) => {
  const root = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  t.is(makeFolder(root), undefined);
  t.is(makeFolder(path.join(root, 'a/b/c')), path.join(root, 'a'));
  t.true(statSync(path.join(root, 'a/b/c')).isDirectory());
  t.is(makeFolder(path.join(root, 'a/b/c')), undefined);
  writeFileSync(path.join(root, 'file'), '');
  for (const below of ['file', 'file/x', 'file/x/y']) {
    t.throws(() => makeFolder(path.join(root, below)), { code: 'ENOTDIR', message: /, mkdir '.*file'$/ });
  }
});

needing(linux())('fails at once where nothing can be made', (t) => {
  t.throws(() => makeFolder('/proc/espalier/folder'), { code: 'ENOENT' });
});

const refuses = (code: string, times: number): (() => number) => {
  let tries = 0;
  return () => {
    tries++;
    if (tries <= times) throw Object.assign(new Error(code), { code });
    return tries;
  };
};

test('where an open file is in no one’s way, the first failure counts; on Windows it is tried again', async (t) => {
  if (process.platform === 'win32') {
    t.is(await retried(() => Promise.resolve().then(refuses('EPERM', 2))), 3);
    t.is(retriedSync(refuses('EBUSY', 3)), 4);
  } else {
    await t.throwsAsync(
      retried(() => Promise.resolve().then(refuses('EPERM', 1))),
      { code: 'EPERM' },
    );
    t.throws(() => retriedSync(refuses('EBUSY', 1)), { code: 'EBUSY' });
  }
  t.throws(() => retriedSync(refuses('ENOSPC', 1)), { code: 'ENOSPC' });
  t.is(retriedSync(refuses('EPERM', 0)), 1);
});

test('flushes a folder, where the platform can, and names one that does not exist', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-flush-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  await t.notThrowsAsync(flushFolder(folder));
  if (process.platform !== 'win32') await t.throwsAsync(flushFolder(path.join(folder, 'missing')), { code: 'ENOENT' });
});
