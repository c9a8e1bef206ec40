import { readSync } from 'node:fs';
import { keepParts, type FilePart } from './keep-parts.js';

const CHUNK_BYTES = 2 ** 20;
const LINE_BREAK = 0x0a;

interface Line extends FilePart {
  /** Content without the line break. */
  readonly text: string;
}

/**
 * Removes lines from a text file of any size: a resumed run logs again what came after its checkpoint. Also removes
 * what follows the last line break, since a killed process may have left half a line. Does nothing if the file is
 * missing.
 * @param wanted called with each line in order, without its line break; returns whether to keep it
 * @param chunkBytes bytes to read at a time
 * @returns the number of remaining lines
 */
export function keepLines(
  file: string,
  wanted: (line: string, index: number) => boolean,
  chunkBytes = CHUNK_BYTES,
): number {
  let left = 0;
  keepParts(file, function* (descriptor) {
    let index = 0;
    for (const line of wholeLines(descriptor, chunkBytes)) {
      if (!wanted(line.text, index++)) continue;
      left++;
      yield line;
    }
  });
  return left;
}

/** Yields the lines of a file that end with a line break. */
function* wholeLines(descriptor: number, chunkBytes: number): Generator<Line, void> {
  let begun: Buffer[] = [];
  let start = 0;
  for (let position = 0; ;) {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const read = readSync(descriptor, chunk, 0, chunkBytes, position);
    if (read === 0) return;
    let from = 0;
    for (let end = chunk.indexOf(LINE_BREAK); end !== -1 && end < read; end = chunk.indexOf(LINE_BREAK, from)) {
      const rest = chunk.subarray(from, end);
      const bytes = begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      from = end + 1;
      yield { text: bytes.toString('utf8'), start, end: position + from };
      start = position + from;
    }
    begun.push(chunk.subarray(from, read));
    position += read;
  }
}
