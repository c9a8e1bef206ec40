import { z } from 'zod';
import {
  inject,
  Plugin,
  TokenizerFactory,
  Tokenizers,
  UsageError,
  type Bindings,
  type Tokenizer,
  type TokenizerState,
} from '../../core/index.js';
import { decodeKnown } from './shared/decode-known.js';

/** Not a token of the inner tokenizer. */
const RARE = -1;

const stateSchema = z.strictObject({
  tokenizer: z.literal('remapped'),
  inner: z.looseObject({ tokenizer: z.string() }),
  tokens: z.array(z.int().min(0)),
});

@Plugin({
  name: 'remapped-tokenizer',
  summary: 'Another tokenizer with a shrunken vocabulary; made by vocab-remap, and named in its checkpoints.',
  slot: 'tokenizer',
})
export default class RemappedTokenizerFactory implements TokenizerFactory {
  static register(bindings: Bindings): void {
    bindings.bind(TokenizerFactory, RemappedTokenizerFactory);
  }

  constructor(@inject(Tokenizers) private readonly tokenizers: Tokenizers) {}

  forText(): Tokenizer {
    throw new UsageError(
      'ESP_TOKENIZER_REMAPPED',
      'the tokenizer remapped cannot be chosen directly: set the tokenizer of the data, and shrink its vocabulary with plugins.vocab-remap',
    );
  }

  async fromState(state: TokenizerState): Promise<Tokenizer> {
    const parsed = stateSchema.safeParse(state);
    if (!parsed.success) {
      throw new UsageError(
        'ESP_TOKENIZER_STATE',
        `remapped: not a state of this tokenizer: ${z.prettifyError(parsed.error)}`,
      );
    }
    return new RemappedTokenizer(await this.tokenizers.fromState(parsed.data.inner), parsed.data.tokens);
  }
}

class RemappedTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly endOfText?: number;
  readonly canCut?: (left: number, right: number) => boolean;
  readonly background?: boolean;
  readonly #placeOf: ReadonlyMap<number, number>;

  /** @param tokens inner token ids, by id of this tokenizer; the id after the last is the rare token */
  constructor(
    private readonly inner: Tokenizer,
    private readonly tokens: readonly number[],
  ) {
    this.vocabSize = tokens.length + 1;
    this.#placeOf = new Map(tokens.map((token, place) => [token, place]));
    const end = inner.endOfText === undefined ? undefined : this.#placeOf.get(inner.endOfText);
    if (end !== undefined) this.endOfText = end;
    if (inner.canCut !== undefined) this.canCut = inner.canCut;
    if (inner.background !== undefined) this.background = inner.background;
  }

  async encode(text: string): Promise<Int32Array> {
    return (await this.inner.encode(text)).map((token) => this.#placeOf.get(token) ?? this.tokens.length);
  }

  /** Tokens that the shrunken vocabulary lacks decode to U+FFFD. */
  async decode(ids: ArrayLike<number>): Promise<string> {
    const tokens = Array.from(ids, (id) => this.tokens[id] ?? RARE);
    return decodeKnown(
      tokens,
      (token) => token !== RARE,
      (known) => this.inner.decode(known),
    );
  }

  state(): TokenizerState {
    return { tokenizer: 'remapped', inner: this.inner.state(), tokens: this.tokens };
  }
}
