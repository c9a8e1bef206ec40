import { readFileSync } from 'node:fs';
import writeFileAtomic from 'write-file-atomic';

/**
 * Takes away the lines of a text file that are not wanted any more: a run that goes on from a checkpoint logs again
 * what came after it. What follows the last line break goes too: a process that was killed may leave half a line.
 * Nothing happens where there is no file, or nothing to take away.
 * @param wanted asked for each line, without its line break
 * @returns how many lines are left
 */
export function keepLines(file: string, wanted: (line: string, index: number) => boolean): number {
  const content = contentOf(file);
  if (content === undefined) return 0;
  const lines = content.split('\n').slice(0, -1);
  const kept = lines.filter(wanted).map((line) => `${line}\n`);
  if (kept.length < lines.length || !content.endsWith('\n')) writeFileAtomic.sync(file, kept.join(''));
  return kept.length;
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
}
