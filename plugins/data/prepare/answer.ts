import {
  type Tokenizer,
  type TokenizerFactory,
  type TokenizerState,
  EspalierError,
  messageOf,
} from '../../../core/index.js';
import type { Piece } from './jobs.js';
import { BadPiece, readPiece } from './read-piece.js';
import { dtypeFor } from '../shared/meta.js';
import type { Tokens } from './shard-writer.js';

export interface Answer {
  /** All documents of the piece, one after the other. */
  readonly tokens: Tokens;
  /** Where each document ends in them. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly bytes: number;
  readonly lines: number;
  /** When learning: what the tokenizer of this piece alone is. */
  readonly learned?: TokenizerState;
}

/** Why there is no answer; `code` is undefined for a fault that is not the user's. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
  readonly at: BadPiece['at'];
}

/** Reads a piece and encodes its documents; what goes wrong is the answer. */
export async function encodePiece(piece: Piece, tokenizer: () => Promise<Tokenizer>): Promise<Answer | Failure> {
  try {
    const { texts, bytes, lines } = await readPiece(piece);
    const before = piece.kind === 'text' ? piece.before : '';
    return { ...(await encode(await tokenizer(), texts, before)), bytes, lines };
  } catch (thrown) {
    return failureOf(thrown);
  }
}

/** Reads a piece, and learns a tokenizer from it alone. */
export async function learnPiece(piece: Piece, factory: () => Promise<TokenizerFactory>): Promise<Answer | Failure> {
  try {
    const { texts, bytes, lines } = await readPiece(piece);
    const learned = (await (await factory()).forText(texts.join(''))).state();
    return { tokens: new Uint16Array(0), ends: new Uint32Array(0), bytes, lines, learned };
  } catch (thrown) {
    return failureOf(thrown);
  }
}

/** @param before the character before the first text, whose tokens are not its own */
async function encode(
  by: Tokenizer,
  texts: readonly string[],
  before: string,
): Promise<Pick<Answer, 'tokens' | 'ends'>> {
  const made = dtypeFor(by.vocabSize) === 'uint16' ? Uint16Array : Uint32Array;
  let tokens: Tokens = new made(texts.reduce((sum, text) => sum + text.length, 0) >> 1);
  const ends = new Uint32Array(texts.length);
  let end = 0;
  let left = before;
  for (const [index, text] of texts.entries()) {
    // Narrowed at once: the ids of many texts would be several times the texts.
    const ids = left === '' ? await by.encode(text) : await encodeAfter(by, left, text);
    left = '';
    if (end + ids.length > tokens.length) {
      const larger = new made(2 * tokens.length + ids.length);
      larger.set(tokens);
      tokens = larger;
    }
    tokens.set(ids, end);
    ends[index] = end += ids.length;
  }
  return { tokens: tokens.slice(0, end), ends };
}

/** Some tokenizers treat the start of a text as no other place: the character before a cut is encoded with what follows it. */
async function encodeAfter(by: Tokenizer, before: string, text: string): Promise<Int32Array> {
  const own = await by.encode(before);
  return (await by.encode(before + text)).subarray(own.length);
}

function failureOf(thrown: unknown): Failure {
  if (thrown instanceof BadPiece) return { code: thrown.code, message: thrown.message, at: thrown.at };
  const code = thrown instanceof EspalierError ? thrown.code : undefined;
  return { code, message: messageOf(thrown), at: {} };
}
