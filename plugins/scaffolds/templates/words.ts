import { NO_TOKEN, Plugin, TokenizerFactory, UsageError, z } from 'espalier';
import type { Bindings, Tokenizer, TokenizerState } from 'espalier';

const stateSchema = z.object({ tokenizer: z.literal('words'), pieces: z.array(z.string()) });

@Plugin({ name: 'words', summary: 'one token for each different word', slot: 'tokenizer' })
export default class Words implements TokenizerFactory {
  static register(bindings: Bindings): void {
    bindings.bind(TokenizerFactory, Words);
  }

  forText(text: string): Tokenizer {
    return new WordTokenizer([...new Set(piecesOf(text))].sort());
  }

  fromState(state: TokenizerState): Tokenizer {
    const { data } = stateSchema.safeParse(state);
    if (data === undefined) {
      throw new UsageError(
        'WORDS_STATE',
        `the data was made with the tokenizer ${state.tokenizer}: set data.tokenizer`,
      );
    }
    return new WordTokenizer(data.pieces);
  }

  /** Only for tokenizers that learn from the text: the vocabulary of several texts together. */
  combine(states: readonly TokenizerState[]): Tokenizer {
    return this.forText(states.flatMap((state) => stateSchema.parse(state).pieces).join(''));
  }
}

class WordTokenizer implements Tokenizer {
  readonly vocabSize: number;
  private readonly ids: ReadonlyMap<string, number>;

  constructor(private readonly pieces: readonly string[]) {
    this.vocabSize = pieces.length;
    this.ids = new Map(pieces.map((piece, id) => [piece, id]));
  }

  encode(text: string): Int32Array {
    return Int32Array.from(piecesOf(text), (piece) => {
      const id = this.ids.get(piece);
      if (id === undefined) throw new UsageError('WORDS_UNKNOWN', `"${piece}" is not in the training text: remove it`);
      return id;
    });
  }

  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.pieces[id] ?? NO_TOKEN).join('');
  }

  state(): TokenizerState {
    return { tokenizer: 'words', pieces: this.pieces };
  }
}

/** Words, and every other character by itself: joined, they are the text again. */
function piecesOf(text: string): string[] {
  return text.match(/\p{L}+|\P{L}/gu) ?? [];
}
