import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { flushFolder } from '../../../plugins/files/writing/flush.js';

test('flushes a folder, where the platform can, and names one that does not exist', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-flush-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  await t.notThrowsAsync(flushFolder(folder));
  if (process.platform !== 'win32') await t.throwsAsync(flushFolder(path.join(folder, 'missing')), { code: 'ENOENT' });
});
