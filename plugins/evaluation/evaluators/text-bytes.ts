import type { Tokenizer, TokenReader } from '../../../core/index.js';
import { readTargets } from '../../batches/contract.js';
import { NO_TOKEN } from '../../tokenizers/contract.js';

const PIECE = 1 << 16;
/** Number of tokens at the end of a piece to search for the start of a character. */
const SEARCHED = 64;
/** The largest number of bytes, and thus of tokens, in one character. */
const BYTES_OF_A_CHARACTER = 4;

/**
 * Counts the UTF-8 bytes of the text that tokens 1 to `tokens` decode to, without ignored targets and end-of-text
 * tokens.
 * @param piece number of tokens to decode at a time
 */
export async function textBytes(
  reader: TokenReader,
  tokens: number,
  tokenizer: Tokenizer,
  piece = PIECE,
): Promise<number> {
  let bytes = 0;
  let ids: number[] = [];
  for (let at = 1; at <= tokens; at += piece) {
    const next = new Int32Array(Math.min(piece, tokens + 1 - at));
    readTargets(reader, at, next.length, next, 0);
    for (const id of next) if (id !== -1 && id !== tokenizer.endOfText) ids.push(id);
    const end = at + piece > tokens ? ids.length : await lastStart(ids, tokenizer);
    bytes += Buffer.byteLength(await tokenizer.decode(ids.slice(0, end)));
    ids = ids.slice(end);
  }
  return bytes;
}

/** Returns the last position that does not split a character; 0 if there is none in so few tokens. */
async function lastStart(ids: readonly number[], tokenizer: Tokenizer): Promise<number> {
  const least = Math.max(0, ids.length - SEARCHED);
  for (let at = ids.length - BYTES_OF_A_CHARACTER; at > least; at--) {
    const text = await tokenizer.decode(ids.slice(at, at + BYTES_OF_A_CHARACTER));
    if (!text.startsWith(NO_TOKEN)) return at;
  }
  return least === 0 ? 0 : ids.length;
}
