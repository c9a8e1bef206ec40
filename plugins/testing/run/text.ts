import { z } from 'zod';
import {
  Dataset,
  inject,
  On,
  Plugin,
  PluginConfig,
  TokenizerFactory,
  type Bindings,
  type Split,
  type Tokenizer,
  type TokenReader,
} from '../../../core/index.js';
import { MemoryReader } from '../../data/contract.js';

const options = z.strictObject({
  text: z.string().min(1).describe('the text itself'),
  val_fraction: z.number().gt(0).lt(1).default(0.2).describe('share of the text, at its end, for validation'),
});

/** Takes the text itself, unlike `token-shards`, which takes the name of a file. */
@Plugin({ name: 'text-in-memory', summary: 'Tokens of a text in the config.', slot: 'data', config: options })
export class TextInMemory implements Dataset {
  static register(bindings: Bindings): void {
    bindings.bind(Dataset, TextInMemory);
  }

  vocabSize = 0;
  readonly description = 'a text in memory';
  tokenizer: Tokenizer | undefined;
  readonly #splits = new Map<Split, TokenReader>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(TokenizerFactory) private readonly tokenizers: TokenizerFactory,
  ) {}

  @On('run:setup')
  async open(): Promise<void> {
    const { text, val_fraction: share } = this.config;
    this.tokenizer = await this.tokenizers.forText(text);
    this.vocabSize = this.tokenizer.vocabSize;
    const tokens = await this.tokenizer.encode(text);
    const at = Math.floor(tokens.length * (1 - share));
    this.#splits.set('train', new MemoryReader(tokens.subarray(0, at), 'text'));
    this.#splits.set('val', new MemoryReader(tokens.subarray(at), 'text'));
  }

  split(name: Split): TokenReader {
    const reader = this.#splits.get(name);
    if (reader === undefined) throw new Error('the dataset is opened in run:setup');
    return reader;
  }
}
