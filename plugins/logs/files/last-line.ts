import { ftruncateSync, readSync, writeSync } from 'node:fs';

/** What to do with an unfinished last line: `cut` removes it (JSON, CSV), `end` adds the missing line break (text). */
export type LastLine = 'cut' | 'end';

const CHUNK_BYTES = 64 * 2 ** 10;
const LINE_BREAK = 0x0a;

/**
 * Makes an open file end with a whole line. A process that was killed, or a full disk, may have left half of one, and
 * what is appended next would become part of it.
 * @param size of the file, in bytes
 * @returns its size afterwards
 */
export function endOfLines(descriptor: number, size: number, how: LastLine): number {
  const end = lastLineEnd(descriptor, size);
  if (end === size) return size;
  if (how === 'end') return size + writeSync(descriptor, '\n', size);
  ftruncateSync(descriptor, end);
  return end;
}

/** Returns where the last complete line ends; 0 if there is none. */
function lastLineEnd(descriptor: number, size: number): number {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size));
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - chunk.length);
    const read = readSync(descriptor, chunk, 0, end - start, start);
    const at = chunk.subarray(0, read).lastIndexOf(LINE_BREAK);
    if (at !== -1) return start + at + 1;
    end = start;
  }
  return 0;
}
