import {
  type Tokenizer,
  type TokenizerFactory,
  type TokenizerState,
  EspalierError,
  messageOf,
} from '../../../core/index.js';
import { encodeTexts, type Encoded } from './encode.js';
import type { Piece } from './jobs.js';
import { BadPiece, readPiece } from './read-piece.js';

export interface Answer extends Encoded {
  readonly bytes: number;
  readonly lines: number;
  /** When learning a tokenizer: the state learned from this piece alone. */
  readonly learned?: TokenizerState;
}

/** Why there is no answer; `code` is undefined for a bug, which is not the user's mistake. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
  readonly at: BadPiece['at'];
}

/** Reads a piece and encodes its documents. Returns errors instead of throwing. */
export async function encodePiece(piece: Piece, tokenizer: () => Promise<Tokenizer>): Promise<Answer | Failure> {
  try {
    const texts = await readPiece(piece);
    const { bytes, lines } = texts;
    const before = piece.kind === 'text' ? piece.before : '';
    return { ...(await encodeTexts(await tokenizer(), texts, before)), bytes, lines };
  } catch (thrown) {
    return failureOf(thrown);
  }
}

/** Reads a piece and learns a tokenizer from it alone. Returns errors instead of throwing. */
export async function learnPiece(piece: Piece, factory: () => Promise<TokenizerFactory>): Promise<Answer | Failure> {
  try {
    const { texts, bytes, lines } = await readPiece(piece);
    const learned = (await (await factory()).forText(texts.join(''))).state();
    return { tokens: new Uint16Array(0), ends: new Uint32Array(0), bytes, lines, learned };
  } catch (thrown) {
    return failureOf(thrown);
  }
}

function failureOf(thrown: unknown): Failure {
  if (thrown instanceof BadPiece) return { code: thrown.code, message: thrown.message, at: thrown.at };
  const code = thrown instanceof EspalierError ? thrown.code : undefined;
  return { code, message: messageOf(thrown), at: {} };
}
