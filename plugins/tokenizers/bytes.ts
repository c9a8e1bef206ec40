import {
  Plugin,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../core/index.js';
import { NO_TOKEN } from './shared/decode-known.js';

const END_OF_TEXT = 256;
const NO_TOKEN_BYTES = [...Buffer.from(NO_TOKEN)];

@Plugin({
  name: 'bytes-tokenizer',
  summary: 'One token for each byte of the text in UTF-8, and one for the end of a text.',
  slot: 'tokenizer',
})
export default class BytesTokenizerPlugin implements TokenizerFactory {
  static register(bindings: Bindings): void {
    bindings.bind(TokenizerFactory, BytesTokenizerPlugin);
  }

  forText(): Tokenizer {
    return new BytesTokenizer();
  }

  fromState(state: TokenizerState): Tokenizer {
    if (state.tokenizer === 'bytes') return new BytesTokenizer();
    throw new UsageError(
      'ESP_TOKENIZER_STATE',
      `the data was made with the tokenizer ${state.tokenizer}, not bytes; set data.tokenizer`,
    );
  }
}

class BytesTokenizer implements Tokenizer {
  readonly vocabSize = END_OF_TEXT + 1;
  readonly endOfText = END_OF_TEXT;
  readonly canCut = (): boolean => true;

  encode(text: string): Int32Array {
    return Int32Array.from(Buffer.from(text, 'utf8'));
  }

  /** Invalid UTF-8 and ids without a token become U+FFFD; end-of-text tokens are left out. */
  decode(ids: ArrayLike<number>): string {
    const bytes = Array.from(ids).flatMap((id) => (id === END_OF_TEXT ? [] : isByte(id) ? [id] : NO_TOKEN_BYTES));
    return Buffer.from(bytes).toString('utf8');
  }

  state(): TokenizerState {
    return { tokenizer: 'bytes' };
  }
}

function isByte(id: number): boolean {
  return id >= 0 && id < END_OF_TEXT;
}
