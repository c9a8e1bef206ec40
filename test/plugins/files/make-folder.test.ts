import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { linux, needing } from '../../needs.js';
import { makeFolder } from '../../../plugins/files/writing/make-folder.js';

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
