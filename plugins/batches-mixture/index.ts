import {
  BatchSource,
  Dataset,
  inject,
  Model,
  On,
  Plugin,
  PluginConfig,
  prefetchOptions,
  RandomStreams,
  refuseShort,
  UsageError,
  WindowBatches,
  type Bindings,
  type TokenReader,
} from '../../core/index.js';
import { z } from 'zod';

const options = z
  .strictObject({
    weights: z
      .record(z.string(), z.number().gt(0))
      .describe('how much of each folder of data.dir is served, in any unit: { data/wiki: 3, data/code: 1 }'),
    ...prefetchOptions,
  })
  .meta({ resume: 'fixed' });

/** The tokens of one folder: they lie side by side. */
interface Corpus {
  readonly weight: number;
  readonly start: number;
  readonly length: number;
}

@Plugin({
  name: 'batches-mixture',
  summary: 'Random windows of several corpora, each served by its weight, whatever its size.',
  slot: 'batches',
  config: options,
})
export default class MixtureBatches extends WindowBatches {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, MixtureBatches);
  }

  private readonly corpora = new WeakMap<TokenReader, Corpus[]>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
  ) {
    super({ data, model, streams, prefetch: config.prefetch });
  }

  @On('run:setup')
  checkWeights(): void {
    for (const { length } of this.corporaOf(this.data.split('train'))) {
      refuseShort({ length }, 'train', this.model.blockSize);
    }
  }

  /** Two random numbers a window: which corpus, and where in it. */
  protected override startOf(window: number, blockSize: number, reader: TokenReader): number {
    const random = this.streams.place('mixture', window);
    const corpora = this.corporaOf(reader);
    let left = random.float() * corpora.reduce((sum, { weight }) => sum + weight, 0);
    const chosen = corpora.find(({ weight }) => (left -= weight) < 0) ?? corpora.at(-1);
    if (chosen === undefined) throw new Error('there is no corpus');
    return chosen.start + random.below(chosen.length - blockSize);
  }

  private corporaOf(reader: TokenReader): Corpus[] {
    const known = this.corpora.get(reader);
    if (known !== undefined) return known;
    const names = [...new Set(reader.parts.map(({ corpus }) => corpus))];
    const unknown = Object.keys(this.config.weights).find((name) => !names.includes(name));
    if (unknown !== undefined) throw wrongWeights(`there is no ${unknown}`, names);
    const corpora = names.map((name) => {
      const weight = this.config.weights[name];
      if (weight === undefined) throw wrongWeights(`${name} has none`, names);
      const parts = reader.parts.filter(({ corpus }) => corpus === name);
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      return { weight, start: parts[0]?.start ?? 0, length };
    });
    this.corpora.set(reader, corpora);
    return corpora;
  }
}

function wrongWeights(what: string, names: readonly string[]): UsageError {
  return new UsageError(
    'ESP_MIXTURE_WEIGHTS',
    `batches.weights: ${what}; give each of data.dir a weight: ${names.join(', ')}`,
  );
}
