import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { fileKind, KIND_BYTES } from './file-kind.js';

/** The byte order mark of UTF-8, which Windows programs write at the start of a file. */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** What to do about bytes that are not UTF-8. */
export const CONVERT_ADVICE = 'save it as UTF-8, or convert it with `iconv -f ENCODING -t UTF-8`';

const SEARCH_BYTES = 1 << 16;
const NEWLINE = 0x0a;

/** Thrown for a file that is not UTF-8 text. The message is a clause about it: "it is UTF-16: save it as UTF-8, …". */
export class NotText extends Error {}

/**
 * Reads a text, JSON or YAML file that a user may have written: UTF-8, without its byte order mark.
 * @throws NotText saying what the file is instead; the file system's error when it cannot be read
 */
export function readTextFile(file: string): string {
  return decodeText(readFileSync(file));
}

/** Reads a JSON file that a user may have written. @throws as `readTextFile`; SyntaxError when it is not JSON */
export function readJsonFile(file: string): unknown {
  return JSON.parse(readTextFile(file));
}

/** Decodes the content of a file. @throws NotText */
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

/**
 * Like `decodeText`, for a corpus. If it starts with a mark, also removes marks at line starts, left by joining files.
 */
export function decodeCorpus(content: Uint8Array): string {
  const text = decodeText(content);
  return markLength(content) === 0 ? text : text.replaceAll('\n\ufeff', '\n');
}

/** Like `decodeCorpus`, for a stream of bytes that starts with a mark. */
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

/** Returns how many bytes at the end may be the start of a mark. */
function startedMark(bytes: Buffer): number {
  return [2, 1].find((count) => bytes.subarray(-count).equals(MARK.subarray(0, count))) ?? 0;
}

/** Returns the length of the byte order mark at the start: 3 or 0. */
export function markLength(bytes: Uint8Array): number {
  return MARK.equals(bytes.subarray(0, MARK.length)) ? MARK.length : 0;
}

/** Returns the index of the first sequence that is not UTF-8; the length if there is none. */
export function firstInvalid(bytes: Uint8Array): number {
  for (let from = 0; from < bytes.length;) {
    let to = Math.min(bytes.length, from + SEARCH_BYTES);
    // Move the end back to the start of a character: at most 3 bytes.
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

/** Formats a byte for messages: `0xe9`. */
export function shownByte(bytes: Uint8Array, at: number): string {
  return `0x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`;
}
