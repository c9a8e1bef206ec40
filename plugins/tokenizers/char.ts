import { z } from 'zod';
import {
  Plugin,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../core/index.js';
import { NO_TOKEN } from './shared/decode-known.js';

const CODE_POINTS = 0x110000;
const NO_CHARACTER = 0xfffd;
const stateSchema = z.object({ tokenizer: z.literal('char'), characters: z.string() });

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
    const seen = new Uint8Array(CODE_POINTS);
    for (let at = 0; at < text.length; at++) {
      const code = codeAt(text, at);
      seen[code] = 1;
      if (code > 0xffff) at++;
    }
    const characters: string[] = [];
    for (let code = seen.indexOf(1); code !== -1; code = seen.indexOf(1, code + 1)) {
      characters.push(String.fromCodePoint(code));
    }
    return new CharTokenizer(characters);
  }

  fromState(state: TokenizerState): Tokenizer {
    return new CharTokenizer(Array.from(charactersOf(state)));
  }

  combine(states: readonly TokenizerState[]): Tokenizer {
    return this.forText([...new Set(states.map(charactersOf))].join(''));
  }
}

class CharTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly canCut = (): boolean => true;
  /** The id of each code point up to the largest; -1 if it has none. */
  readonly #ids: Int32Array;

  constructor(private readonly characters: readonly string[]) {
    this.vocabSize = characters.length;
    const codes = characters.map((character) => codeAt(character, 0));
    this.#ids = new Int32Array(codes.reduce((largest, code) => Math.max(largest, code), -1) + 1).fill(-1);
    codes.forEach((code, id) => (this.#ids[code] = id));
  }

  encode(text: string): Int32Array {
    const ids = new Int32Array(text.length);
    const known = this.#ids;
    let count = 0;
    for (let at = 0; at < text.length; at++) {
      const code = codeAt(text, at);
      const id = known[code] ?? -1;
      if (id === -1) throw unknownCharacter(String.fromCodePoint(code), count);
      ids[count++] = id;
      if (code > 0xffff) at++;
    }
    return ids.subarray(0, count);
  }

  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.characters[id] ?? NO_TOKEN).join('');
  }

  state(): TokenizerState {
    return { tokenizer: 'char', characters: this.characters.join('') };
  }
}

/** Returns the code point at an index; U+FFFD for an unpaired surrogate, as in UTF-8. */
function codeAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (!isSurrogate(unit)) return unit;
  const code = text.codePointAt(at) ?? unit;
  return isSurrogate(code) ? NO_CHARACTER : code;
}

function isSurrogate(code: number): boolean {
  return (code & ~0x7ff) === 0xd800;
}

function charactersOf(state: TokenizerState): string {
  const parsed = stateSchema.safeParse(state);
  if (parsed.success) return parsed.data.characters;
  throw new UsageError(
    'ESP_TOKENIZER_STATE',
    `the data was made with the tokenizer ${state.tokenizer}, not char; set data.tokenizer`,
  );
}

function unknownCharacter(character: string, position: number): UsageError {
  return new UsageError(
    'ESP_UNKNOWN_CHARACTER',
    `character ${JSON.stringify(character)} (number ${String(position + 1)} of the text) was not in the training text: remove it`,
  );
}
