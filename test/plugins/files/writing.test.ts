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

test('a file is replaced atomically; if that fails, the old one stays and nothing else is left', async (t) => {
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

test('leftovers of a killed process are removed, similarly named files are not', (t) => {
  const folder = emptyFolder(t);
  for (const name of ['.best.12-0-3.unfinished', 'best.1234567', 'report.html.20240101', '.x.unfinished'])
    writeFileSync(path.join(folder, name), '');
  removeUnfinished(folder);
  removeUnfinished(path.join(folder, 'missing'));
  t.deepEqual(readdirSync(folder).sort(), ['.x.unfinished', 'best.1234567', 'report.html.20240101']);
});

needing(posix())('links are followed, the mode of an existing file is kept, and devices can be written to', (t) => {
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

test('makes missing folders and returns the topmost one; existing ones are left alone', (t) => {
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

needing(linux())('fails at once if nothing can be created', (t) => {
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

test('on Windows it tries again if a file is open; elsewhere the first failure counts', async (t) => {
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

test('flushes a folder if the platform can, and names one that does not exist', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-flush-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  await t.notThrowsAsync(flushFolder(folder));
  if (process.platform !== 'win32') await t.throwsAsync(flushFolder(path.join(folder, 'missing')), { code: 'ENOENT' });
});
