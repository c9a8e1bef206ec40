const NEWLINE = 0x0a;
const SPACE = 0x20;
const ASCII_LIMIT = 0x80;
/** How far back from the end a good place is looked for. */
const LOOK_BACK = 1 << 14;

/**
 * Where a long text is cut, so that its pieces encode to what the whole does: tokenizers split words off before
 * white space, and byte pair merges do not cross words. Before the last newline after a letter or digit; where there
 * is none, before the last white space after something else; else at a character's start.
 * @param bytes UTF-8, of which more follows
 * @returns an index above 0
 */
export function cutPoint(bytes: Uint8Array): number {
  const { length } = bytes;
  let beforeSpace = 0;
  for (let at = length - 1; at > Math.max(0, length - LOOK_BACK); at--) {
    const byte = bytes[at] ?? 0;
    if (byte !== NEWLINE && byte !== SPACE) continue;
    const before = bytes[at - 1] ?? 0;
    if (byte === NEWLINE && isLetterOrDigit(before)) return at;
    if (beforeSpace === 0 && before > SPACE && before < ASCII_LIMIT) beforeSpace = at;
  }
  return beforeSpace > 0 ? beforeSpace : Math.max(1, characterStart(bytes, length - 1));
}

/** The start of the UTF-8 character that the byte at an index is in; the index itself where it is in none. */
export function characterStart(bytes: Uint8Array, index: number): number {
  for (let at = index; at > index - 4 && at >= 0; at--) if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at;
  return index;
}

function isLetterOrDigit(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
}
