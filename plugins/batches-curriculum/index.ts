import path from 'node:path';
import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  EventBus,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  RandomStreams,
  randomWindows,
  refuseShort,
  ServedTokens,
  Tunables,
  type Batch,
  type BatchProgress,
  type BatchShape,
  type Bindings,
  type EvaluationEnd,
  type Rows,
  type Split,
  type TokenReader,
  type Tunable,
} from '../../core/index.js';
import { targetShares } from './candidates.js';
import type { Corpus } from './protocol.js';
import { Rounds, type RoundsState } from './rounds.js';

const options = z
  .strictObject({
    alpha: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('what is aimed at: 0 the corpus’s own distribution of tokens, 1 all tokens alike')
      .meta({ resume: 'free' }),
    candidates: z.int().min(1).default(2000).describe('batches to choose from'),
    round: z.int().min(1).default(50).describe('batches chosen at a time, and read side by side'),
    oversampling: z
      .int()
      .min(1)
      .default(4)
      .describe('batches read for each one served: the more, the further what is served can be from the corpus'),
    sample_tokens: z
      .int()
      .min(1)
      .default(100_000_000)
      .describe('tokens of the corpus that its distribution is counted from'),
  })
  .meta({ resume: 'fixed' });

const starts = z.array(z.int().min(0));
const stateSchema = z.strictObject({
  served: z.array(z.int().min(0)),
  batches: z.int().min(0),
  rounds: z
    .strictObject({
      shape: z.strictObject({ batchSize: z.int().min(1), blockSize: z.int().min(1) }),
      alpha: z.number(),
      chunks: z.int().min(0),
      pool: starts,
      queue: starts,
    })
    .nullable(),
  /** Which data `rounds` is of; early checkpoints do not tell. */
  data: z.string().optional(),
});

/** A file beside the data that keeps the corpus's counts. */
const CACHE = 'corpus-counts.json';

@Plugin({
  name: 'batches-curriculum',
  summary: 'Serves first what was served too little: steers the tokens seen from the corpus’s distribution to uniform.',
  slot: 'batches',
  config: options,
  metrics: {
    'batches/alpha': { unit: 'share', what: 'of uniform in the distribution that batches are steered to' },
    'batches/distance_to_corpus': {
      unit: 'share',
      what: 'total variation between the tokens served and the corpus',
    },
    'batches/distance_to_uniform': { unit: 'share', what: 'total variation between the tokens served and uniform' },
  },
})
export default class CurriculumBatches implements BatchSource, ServedTokens {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, CurriculumBatches);
    bindings.bind(ServedTokens, CurriculumBatches);
  }

  readonly #alpha: Tunable;
  /** How often each token was an input. */
  #served = new Float64Array(0);
  #batches = 0;
  #rounds: { readonly reader: TokenReader; readonly live: Rounds } | undefined;
  /** Where to go on, until the first batch is asked for, with the `id` of the data that it is of. */
  #from: { readonly state: RoundsState; readonly data: string | undefined } | undefined;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Logger) private readonly log: Logger,
    @inject(Tunables) tunables: Tunables,
  ) {
    this.#alpha = tunables.define('curriculum_alpha', config.alpha, { least: 0, most: 1, whole: false });
  }

  @On('run:setup')
  checkLengths(): void {
    for (const split of ['train', 'val'] as const) refuseShort(this.data.split(split), split, this.model.blockSize);
  }

  /** The whole batch, on every rank: all rank the same candidates, by what was served to all. */
  async next(shape: BatchShape): Promise<Batch> {
    const batch = await this.#roundsOf(shape).next();
    for (const id of batch.inputs) this.#served[id] = (this.#served[id] ?? 0) + 1;
    this.#batches++;
    return batch;
  }

  evaluation(split: Split, index: number, shape: BatchShape, rows?: Rows): Batch {
    return randomWindows(this.data.split(split), this.streams.at(`evaluation/${split}`, index), shape, rows);
  }

  progress(): BatchProgress {
    return { shard: 0, position: this.#batches };
  }

  nonOutlierTokens(ignored = 0.01): number[] {
    const total = this.#served.reduce((sum, count) => sum + count, 0);
    const ranked = [...this.#served.keys()].sort((a, b) => (this.#served[b] ?? 0) - (this.#served[a] ?? 0) || a - b);
    let left = total * (1 - ignored);
    return ranked.filter((id) => {
      const wanted = left > 0 && (this.#served[id] ?? 0) > 0;
      left -= this.#served[id] ?? 0;
      return wanted;
    });
  }

  /**
   * How far what was served is from the corpus and from uniform (total variation, 0 to 1). Nothing between a change of
   * the data and its first batch.
   */
  @On('evaluation:end')
  async report({ iteration }: EvaluationEnd): Promise<void> {
    const total = this.#served.reduce((sum, count) => sum + count, 0);
    const shape = (this.#rounds?.live.state ?? this.#from?.state)?.shape;
    if (shape === undefined || total === 0 || this.#isOtherData()) return;
    const corpus = await this.#roundsOf(shape).corpus();
    const distance = (shares: Float64Array): number =>
      shares.reduce((sum, share, id) => sum + Math.abs(share - (this.#served[id] ?? 0) / total), 0) / 2;
    const values = {
      'batches/alpha': this.#alpha.value,
      'batches/distance_to_corpus': distance(targetShares(corpus, 0)),
      'batches/distance_to_uniform': distance(targetShares(corpus, 1)),
    };
    await this.bus.dispatch('metrics', { iteration, values });
  }

  state(): z.output<typeof stateSchema> {
    const rounds = this.#rounds?.live.state ?? this.#from?.state;
    return {
      served: [...this.#served],
      batches: this.#batches,
      rounds: rounds === undefined ? null : { ...rounds, pool: [...rounds.pool], queue: [...rounds.queue] },
      data: this.#idOfRounds(),
    };
  }

  restore(state: unknown): void {
    const { served, batches, rounds, data } = stateSchema.parse(state);
    this.#served = Float64Array.from(served);
    this.#batches = batches;
    this.#from = rounds === null ? undefined : { state: rounds, data };
    void this.dispose();
  }

  async dispose(): Promise<void> {
    const rounds = this.#rounds;
    this.#rounds = undefined;
    await rounds?.live.close();
  }

  /** Goes on in rounds as they are, or begins anew where the data, the shape of batches or alpha is another. */
  #roundsOf({ batchSize, blockSize }: BatchShape): Rounds {
    const reader = this.data.split('train');
    const alpha = this.#alpha.value;
    const before = this.#rounds?.live.state ?? this.#from?.state;
    const sameShape = before?.shape.batchSize === batchSize && before.shape.blockSize === blockSize;
    if (this.#rounds?.reader === reader && sameShape) {
      const { live } = this.#rounds;
      if (live.state.alpha !== alpha) live.begin(rescored(live.state, alpha), [...this.#served]);
      return live;
    }
    void this.#rounds?.live.close();
    const shape = { batchSize, blockSize };
    const other = this.#isOtherData();
    if (this.#served.length !== this.data.vocabSize) this.#served = new Float64Array(this.data.vocabSize);
    const fits = (start: number): boolean => start + batchSize * blockSize < reader.length;
    if (before !== undefined && !sameShape) this.log.warn(otherShape(before.shape, shape));
    const usable = sameShape && !other && [...before.pool, ...before.queue].every(fits);
    const kept = usable ? before : { shape, alpha, chunks: before?.chunks ?? 0, pool: [], queue: [] };
    const state = kept.alpha === alpha ? kept : rescored(kept, alpha);
    this.#from = undefined;
    this.#rounds = { reader, live: this.#start(reader, shape, state) };
    return this.#rounds.live;
  }

  /** Of the data that the rounds are of. */
  #idOfRounds(): string | undefined {
    return this.#rounds?.reader.id ?? this.#from?.data;
  }

  /** Whether the rounds are of other data than there is now: a vocabulary has grown. */
  #isOtherData(): boolean {
    const reader = this.data.split('train');
    const id = this.#idOfRounds();
    return this.#rounds?.reader !== reader && id !== undefined && id !== reader.id;
  }

  #start(reader: TokenReader, shape: BatchShape, state: RoundsState): Rounds {
    const { candidates, oversampling: fresh, sample_tokens: sampleTokens } = this.config;
    const { vocabSize } = this.data;
    const batchTokens = shape.batchSize * shape.blockSize;
    refuseShort(reader, 'train', batchTokens);
    const round = Math.min(this.config.round, Math.floor((reader.length - 1) / batchTokens));
    const file = reader.parts[0]?.file;
    const cache = file === undefined ? undefined : path.join(path.dirname(file), CACHE);
    const onCorpus = ({ note }: Corpus): void => {
      if (note !== undefined) this.log.warn(note);
    };
    const { streams } = this;
    const setup = { reader, streams, shape, vocabSize, candidates, round, fresh, sampleTokens, cache, onCorpus };
    return new Rounds(setup, state, [...this.#served]);
  }
}

function otherShape(was: BatchShape, is: BatchShape): string {
  const size = ({ batchSize, blockSize }: BatchShape): string => `${String(batchSize)} × ${String(blockSize)} tokens`;
  return `curriculum: a micro-batch, of all ranks together, is ${size(is)} and was ${size(was)}: candidates are chosen anew; what was served counts as before`;
}

/** What this round has left goes back to the candidates, to be ranked with them. */
function rescored(state: RoundsState, alpha: number): RoundsState {
  return { ...state, alpha, pool: [...state.pool, ...state.queue], queue: [] };
}
