import type { Tokenizer } from '../../../core/index.js';

export type CanCut = NonNullable<Tokenizer['canCut']>;

/** Bytes of the longest character. */
const LONGEST = 4;

/**
 * Finds a place where a text may be cut: the last one below `wanted`, else the first one above.
 * @param bytes UTF-8
 * @param searched where an earlier search ended that found none: it is not repeated
 * @param more whether text follows that is not in `bytes` yet, so that its last character may be cut off
 * @returns an index above 0 and below the length; 0 where there is no place
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

/** The start of the UTF-8 character that the byte at an index is in; the index itself where it is in none. */
export function characterStart(bytes: Uint8Array, index: number): number {
  for (let at = index; at > index - LONGEST && at >= 0; at--) if (!isInside(bytes[at])) return at;
  return index;
}

/** The code point that starts at an index; some number where the bytes are not UTF-8, which encoding reports. */
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
