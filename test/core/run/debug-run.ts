import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { makeRun, type MadeRun } from '../../../core/run/make.js';

/** A text with enough letters and repetition for a tiny model. */
export const text = 'the quick brown fox jumps over the lazy dog. '.repeat(100);

/** A folder with `text.txt`, gone after the test. */
export function textFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(path.join(folder, 'text.txt'), text);
  return folder;
}

/** The `debug` preset on `text.txt`, on the fastest engine that works here, made by the pipeline; disposed after the test. */
export async function debugRun(t: ExecutionContext, cwd: string, ...set: string[]): Promise<MadeRun> {
  const created = await makeRun({
    cwd,
    presets: ['debug'],
    set: ['engine=auto', 'precision=f32', 'data.text=text.txt', ...set],
  });
  t.teardown(() => created.run.dispose());
  return created;
}
