import type { Tokenizer } from '../../../core/index.js';

export type CanCut = NonNullable<Tokenizer['canCut']>;

/** Bytes in the longest UTF-8 character. */
const LONGEST = 4;

/**
 * Finds a position where a text may be cut: the last one below `wanted`, else the first one above.
 * @param bytes UTF-8
 * @param searched where an earlier unsuccessful search ended, to continue from there
 * @param more whether more text follows `bytes`, whose last character may then be incomplete
 * @returns an index above 0 and below the length; 0 if there is none
 */
export function findCut(
  bytes: Uint8Array,
  canCut: CanCut,
  { wanted, searched = 0, more }: { wanted: number; searched?: number; more: boolean },
): number {
  const end = more ? bytes.length - LONGEST : bytes.length - 1;
  for (let at = Math.min(wanted, end); at > Math.max(0, searched); at--) if (isCut(bytes, at, canCut)) return at;
  for (let at = Math.max(wanted, searched) + 1; at <= end; at++) if (isCut(bytes, at, canCut)) return at;
  return 0;
}

function isCut(bytes: Uint8Array, at: number, canCut: CanCut): boolean {
  if (isInside(bytes[at])) return false;
  return canCut(codeAt(bytes, characterStart(bytes, at - 1)), codeAt(bytes, at));
}

/** Returns the start of the UTF-8 character that contains a byte; the index itself if the bytes are not valid. */
export function characterStart(bytes: Uint8Array, index: number): number {
  for (let at = index; at > index - LONGEST && at >= 0; at--) if (!isInside(bytes[at])) return at;
  return index;
}

/** Returns the code point that starts at an index. For invalid UTF-8, which encoding reports later, any number. */
function codeAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return first;
  const follow = (offset: number): number => (bytes[at + offset] ?? 0) & 0x3f;
  if (first < 0xe0) return ((first & 0x1f) << 6) | follow(1);
  if (first < 0xf0) return ((first & 0x0f) << 12) | (follow(1) << 6) | follow(2);
  return Math.min(0x10ffff, ((first & 0x07) << 18) | (follow(1) << 12) | (follow(2) << 6) | follow(3));
}

function isInside(byte: number | undefined): boolean {
  return ((byte ?? 0) & 0xc0) === 0x80;
}
