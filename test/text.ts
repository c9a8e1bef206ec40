import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { emptyFolder } from './e2e/command.js';

/** A text with enough letters and repetition for a tiny model. */
export const text = 'the quick brown fox jumps over the lazy dog. '.repeat(100);

/** A folder with `text.txt`, gone after the test. */
export function textFolder(t: ExecutionContext): string {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'text.txt'), text);
  return folder;
}
