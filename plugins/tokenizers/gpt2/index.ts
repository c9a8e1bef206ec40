import { endianness } from 'node:os';
import {
  Plugin,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../../core/index.js';
import { NO_TOKEN } from '../shared/decode-known.js';
import { mergePairs } from './merge.js';
import { PieceCache } from './piece-cache.js';
import { endsPiece, pieceEnd } from './pieces.js';
import { vocabulary, type Vocabulary } from './vocabulary.js';

const END_OF_TEXT = '<|endoftext|>';
const NO_TOKEN_BYTES = Buffer.from(NO_TOKEN).toString('latin1');

@Plugin({
  name: 'gpt2-tokenizer',
  summary: 'GPT-2’s byte pair encoding: 50,257 tokens.',
  slot: 'tokenizer',
})
export default class Gpt2TokenizerPlugin implements TokenizerFactory {
  static register(bindings: Bindings): void {
    bindings.bind(TokenizerFactory, Gpt2TokenizerPlugin);
  }

  forText(): Tokenizer {
    return new Gpt2Tokenizer(vocabulary());
  }

  fromState(state: TokenizerState): Tokenizer {
    if (state.tokenizer === 'gpt2') return new Gpt2Tokenizer(vocabulary());
    throw new UsageError(
      'ESP_TOKENIZER_STATE',
      `the data was made with the tokenizer ${state.tokenizer}, not gpt2; set data.tokenizer`,
    );
  }
}

class Gpt2Tokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly endOfText: number;
  readonly canCut = endsPiece;
  readonly #cache = new PieceCache();

  constructor(private readonly words: Vocabulary) {
    this.endOfText = words.tokens.length;
    this.vocabSize = words.tokens.length + 1;
  }

  /** A special token in the text is encoded as ordinary text. */
  encode(text: string): Int32Array {
    const whole = text.toWellFormed();
    const units = unitsOf(whole);
    // A piece of n UTF-16 units has at most 3 n bytes, and thus tokens.
    let ids = new Int32Array((units.length >> 1) + 64);
    let count = 0;
    for (let start = 0; start < units.length;) {
      const end = pieceEnd(units, start);
      if (count + 3 * (end - start) > ids.length) ids = grown(ids, count + 3 * (end - start));
      const found = this.#cache.copy(units, start, end, ids, count);
      count += found > 0 ? found : this.#merge(whole.slice(start, end), units, start, ids, count);
      start = end;
    }
    return ids.subarray(0, count);
  }

  decode(ids: ArrayLike<number>): string {
    const bytes = Array.from(ids, (id) =>
      id === this.endOfText ? END_OF_TEXT : (this.words.tokens[id] ?? NO_TOKEN_BYTES),
    );
    return Buffer.from(bytes.join(''), 'latin1').toString('utf8');
  }

  state(): TokenizerState {
    return { tokenizer: 'gpt2' };
  }

  /** Writes tokens into `ids` from `at` on, and returns how many. */
  #merge(piece: string, units: Uint16Array, start: number, ids: Int32Array, at: number): number {
    const merged = mergePairs(Buffer.from(piece, 'utf8').toString('latin1'), this.words.ids);
    ids.set(merged, at);
    this.#cache.add(units, start, start + piece.length, merged);
    return merged.length;
  }
}

function unitsOf(text: string): Uint16Array {
  const bytes = Buffer.from(new ArrayBuffer(2 * text.length));
  bytes.write(text, 'utf16le');
  if (endianness() === 'BE') bytes.swap16();
  return new Uint16Array(bytes.buffer);
}

function grown(ids: Int32Array, needed: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(needed, ids.length * 2));
  larger.set(ids);
  return larger;
}
