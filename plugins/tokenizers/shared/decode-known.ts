/** Shown for an id without a token, and for invalid bytes. */
export const NO_TOKEN = '\ufffd';

/**
 * Decodes ids, some of which have no token: each of those becomes `NO_TOKEN`. The stretches between them are decoded
 * whole, since a character may span several tokens, and together with the token before, since some decoders strip the
 * space at the start of a text.
 */
export async function decodeKnown(
  ids: readonly number[],
  isKnown: (id: number) => boolean,
  decode: (ids: readonly number[]) => string | Promise<string>,
): Promise<string> {
  let written = '';
  let before: number | undefined;
  for (let at = 0; at < ids.length;) {
    let end = at;
    for (let id = ids[end]; id !== undefined && isKnown(id); id = ids[end]) end++;
    const stretch = ids.slice(at, end);
    if (stretch.length > 0) written += await decodeAfter(before, stretch, decode);
    before = stretch.at(-1) ?? before;
    if (end < ids.length) written += NO_TOKEN;
    at = end + 1;
  }
  return written;
}

async function decodeAfter(
  before: number | undefined,
  stretch: readonly number[],
  decode: (ids: readonly number[]) => string | Promise<string>,
): Promise<string> {
  if (before === undefined) return decode(stretch);
  const [head, whole] = [await decode([before]), await decode([before, ...stretch])];
  return whole.startsWith(head) && !head.endsWith(NO_TOKEN) ? whole.slice(head.length) : decode(stretch);
}
