import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { fileKind, KIND_BYTES } from './file-kind.js';

/** The byte order mark of UTF-8, which Windows programs write at the start of a text. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** What to do about bytes that are not UTF-8. */
export const CONVERT_ADVICE = 'save it as UTF-8, or convert it with `iconv -f ENCODING -t UTF-8`';

const SEARCH_BYTES = 1 << 16;
const NEWLINE = 0x0a;

/** A file is not UTF-8 text. The message is a clause about it: "it is UTF-16: save it as UTF-8, …". */
export class NotText extends Error {}

/**
 * Reads a text, JSON or YAML file that a user may have written: UTF-8, without its byte order mark.
 * @throws NotText naming what the file is instead; the error of the file system when it cannot be read
 */
export function readTextFile(file: string): string {
  return decodeText(readFileSync(file));
}

/** The value in a JSON file that a user may have written. @throws as `readTextFile`; SyntaxError */
export function readJsonFile(file: string): unknown {
  return JSON.parse(readTextFile(file));
}

/** The text of a whole file. @throws NotText */
export function decodeText(content: Uint8Array): string {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const kind = fileKind(bytes.subarray(0, KIND_BYTES));
  if (kind !== undefined) throw new NotText(`it is ${kind.what}: ${kind.advice}`);
  if (!isUtf8(bytes)) {
    const byte = firstInvalid(bytes);
    throw new NotText(`it is not UTF-8 (${shownByte(bytes, byte)} at byte ${String(byte)}): ${CONVERT_ADVICE}`);
  }
  return bytes.subarray(markLength(bytes)).toString('utf8');
}

/** As `decodeText`, for a corpus: one that starts with a mark has none at the start of its lines, where files were joined. */
export function decodeCorpus(content: Uint8Array): string {
  const text = decodeText(content);
  return markLength(content) === 0 ? text : text.replaceAll('\n\ufeff', '\n');
}

/** As `decodeCorpus`, of bytes in chunks that start with a mark. */
export async function* withoutMarks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let last = NEWLINE;
  for await (const chunk of chunks) {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const end = bytes.length - startedMark(bytes);
    let from = 0;
    for (let at = bytes.indexOf(MARK); at !== -1; at = bytes.indexOf(MARK, at + MARK.length)) {
      if ((at === 0 ? last : bytes[at - 1]) !== NEWLINE) continue;
      if (at > from) yield bytes.subarray(from, at);
      from = at + MARK.length;
    }
    if (end > from) yield bytes.subarray(from, end);
    last = bytes[end - 1] ?? last;
    held = bytes.subarray(end);
  }
  if (held.length > 0) yield held;
}

/** Bytes at the end that a mark may start with. */
function startedMark(bytes: Buffer): number {
  return [2, 1].find((count) => bytes.subarray(-count).equals(MARK.subarray(0, count))) ?? 0;
}

/** Length of the byte order mark that bytes start with: 3 or 0. */
export function markLength(bytes: Uint8Array): number {
  return MARK.equals(bytes.subarray(0, MARK.length)) ? MARK.length : 0;
}

/** Index of the first byte of the first sequence that is not UTF-8; the length when all is. */
export function firstInvalid(bytes: Uint8Array): number {
  for (let from = 0; from < bytes.length;) {
    let to = Math.min(bytes.length, from + SEARCH_BYTES);
    // Ends where a character starts: at most 3 bytes earlier.
    for (let back = 0; to < bytes.length && back < 3 && ((bytes[to] ?? 0) & 0xc0) === 0x80; back++) to--;
    if (!isUtf8(bytes.subarray(from, to))) return from + firstInvalidByte(bytes.subarray(from, to));
    from = to;
  }
  return bytes.length;
}

function firstInvalidByte(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    try {
      if (decoder.decode(bytes.subarray(at, at + 1), { stream: true }) !== '') start = at + 1;
    } catch {
      return start;
    }
  }
  return start;
}

/** A byte as it is printed: `0xe9`. */
export function shownByte(bytes: Uint8Array, at: number): string {
  return `0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`;
}
