import {
  Plugin,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../core/index.js';
import { mergePairs } from './merge.js';
import { vocabulary, type Vocabulary } from './vocabulary.js';

/** GPT-2's pieces. JavaScript's own \s is not Unicode's white space: it has U+FEFF and lacks U+0085. */
const PIECES =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const END_OF_TEXT = '<|endoftext|>';
/** Pieces whose tokens are remembered, and how long they may be. */
const CACHE_SIZE = 1 << 18;
const CACHED_LENGTH = 64;

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
  /** Words repeat: most pieces are found here. */
  readonly #cache = new Map<string, number | readonly number[]>();

  constructor(private readonly words: Vocabulary) {
    this.endOfText = words.tokens.length;
    this.vocabSize = words.tokens.length + 1;
  }

  /** Text that reads like the special token is encoded as the text it is. */
  encode(text: string): Int32Array {
    // A piece gives at most one token for each of its bytes, and a UTF-16 unit is at most three.
    let ids = new Int32Array((text.length >> 1) + 64);
    let count = 0;
    for (const piece of text.match(PIECES) ?? []) {
      const found = this.#cache.get(piece) ?? this.#encodePiece(piece);
      const needed = count + (typeof found === 'number' ? 1 : found.length);
      if (needed > ids.length) ids = grown(ids, needed);
      if (typeof found === 'number') ids[count++] = found;
      else for (const id of found) ids[count++] = id;
    }
    return ids.subarray(0, count);
  }

  decode(ids: ArrayLike<number>): string {
    const bytes = Array.from(ids, (id) => (id === this.endOfText ? END_OF_TEXT : (this.words.tokens[id] ?? '')));
    return Buffer.from(bytes.join(''), 'latin1').toString('utf8');
  }

  state(): TokenizerState {
    return { tokenizer: 'gpt2' };
  }

  #encodePiece(piece: string): number | readonly number[] {
    const merged = mergePairs(Buffer.from(piece, 'utf8').toString('latin1'), this.words.ids);
    const found = merged.length === 1 ? (merged[0] ?? merged) : merged;
    if (piece.length <= CACHED_LENGTH) {
      if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
      this.#cache.set(piece, found);
    }
    return found;
  }
}

function grown(ids: Int32Array, needed: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(needed, ids.length * 2));
  larger.set(ids);
  return larger;
}
