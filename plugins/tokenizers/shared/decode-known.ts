/** Shown for an id without a token, and for bytes that are no character. */
export const NO_TOKEN = '\ufffd';

/**
 * The text of ids of which some have no token: `NO_TOKEN` stands for each of those. The stretches between them are
 * decoded whole, since a character may consist of several tokens, and after the token before, since some decoders take
 * the space from the start of a text.
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
