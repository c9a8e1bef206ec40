import { Dataset, inject, MemoryReader, On, Plugin, PluginConfig, RandomStreams, TokenizerFactory, z } from 'espalier';
import type { Bindings, Split, Tokenizer, TokenReader } from 'espalier';

const options = z.strictObject({
  below: z.int().min(2).default(100).describe('numbers that are added are below this'),
  sums: z.int().min(10).default(5000).describe('number of additions; a tenth of them is for validation'),
});

@Plugin({ name: 'sums', summary: 'additions, one per line', slot: 'data', config: options })
export default class Sums implements Dataset {
  static register(bindings: Bindings): void {
    bindings.bind(Dataset, Sums);
  }

  vocabSize = 0;
  tokenizer: Tokenizer | undefined;
  readonly description: string;
  private readonly readers = new Map<Split, TokenReader>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(TokenizerFactory) private readonly tokenizers: TokenizerFactory,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {
    this.description = `${config.sums} additions`;
  }

  @On('run:setup')
  async open(): Promise<void> {
    const { below, sums } = this.config;
    const lines = Array.from({ length: sums }, (_, index) => {
      const random = this.streams.place('sums', index);
      const [a, b] = [random.below(below), random.below(below)];
      return `${a}+${b}=${a + b}\n`;
    });
    const cut = Math.floor(0.9 * sums);
    const tokenizer = await this.tokenizers.forText(lines.join(''));
    this.tokenizer = tokenizer;
    this.vocabSize = tokenizer.vocabSize;
    for (const [split, part] of [
      ['train', lines.slice(0, cut)],
      ['val', lines.slice(cut)],
    ] as const) {
      this.readers.set(split, new MemoryReader(await tokenizer.encode(part.join('')), `${split} sums`));
    }
  }

  split(name: Split): TokenReader {
    const reader = this.readers.get(name);
    if (reader === undefined) throw new Error('the dataset is opened in run:setup');
    return reader;
  }
}
