import { z } from 'zod';
import {
  Plugin,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../core/index.js';

@Plugin({
  name: 'char-tokenizer',
  summary: 'One token for each different character of the text, in the order of their code points.',
  slot: 'tokenizer',
})
export default class CharTokenizerPlugin implements TokenizerFactory {
  static register(bindings: Bindings): void {
    bindings.bind(TokenizerFactory, CharTokenizerPlugin);
  }

  forText(text: string): Tokenizer {
    const characters = [...new Set(text)].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
    return new CharTokenizer(characters);
  }

  fromState(state: TokenizerState): Tokenizer {
    const parsed = z.object({ tokenizer: z.literal('char'), characters: z.string() }).safeParse(state);
    if (!parsed.success) {
      throw new UsageError(
        'ESP_TOKENIZER_STATE',
        `the data was made with the tokenizer ${state.tokenizer}, not char; set data.tokenizer`,
      );
    }
    return new CharTokenizer(Array.from(parsed.data.characters));
  }
}

class CharTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly #ids: ReadonlyMap<string, number>;

  constructor(private readonly characters: readonly string[]) {
    this.vocabSize = characters.length;
    this.#ids = new Map(characters.map((character, id) => [character, id]));
  }

  encode(text: string): Int32Array {
    const ids = new Int32Array(text.length);
    let count = 0;
    for (const character of text) {
      const id = this.#ids.get(character);
      if (id === undefined) throw unknownCharacter(character, count);
      ids[count++] = id;
    }
    return ids.subarray(0, count);
  }

  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.characters[id] ?? '\ufffd').join('');
  }

  state(): TokenizerState {
    return { tokenizer: 'char', characters: this.characters.join('') };
  }
}

function unknownCharacter(character: string, position: number): UsageError {
  return new UsageError(
    'ESP_UNKNOWN_CHARACTER',
    `character ${JSON.stringify(character)} (number ${String(position + 1)} of the text) was not in the training text: leave it out`,
  );
}
