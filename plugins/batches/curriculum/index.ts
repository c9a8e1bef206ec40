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
} from '../../../core/index.js';
import { randomWindows, refuseShort, windowsIn } from '../windows/windows.js';
import { ServedTokens } from '../contract.js';
import { targetShares } from './candidates.js';
import type { Corpus } from './protocol.js';
import { Rounds, type RoundsState } from './rounds.js';
import { readState, STATE_VERSION, type State } from './state.js';

const options = z
  .strictObject({
    alpha: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('target token distribution: 0 is that of the corpus, 1 is uniform')
      .meta({ resume: 'free' })
      .meta({ aka: ['curriculum_alpha'] }),
    candidates: z.int().min(1).default(5000).describe('candidate windows to choose from'),
    round: z.int().min(1).default(250).describe('windows chosen at a time; as many adjacent windows are read together'),
    oversampling: z
      .int()
      .min(1)
      .default(4)
      .describe('windows read per window served; higher values allow larger deviations from the corpus'),
    sample_tokens: z
      .int()
      .min(1)
      .default(100_000_000)
      .describe('tokens to sample for counting the corpus’s distribution'),
  })
  .meta({ resume: 'fixed' });

/** File next to the data that caches the corpus's token counts. */
const CACHE = 'corpus-counts.json';

@Plugin({
  name: 'batches-curriculum',
  summary: 'Prefers underrepresented tokens: steers the tokens seen from the corpus’s distribution to uniform.',
  slot: 'batches',
  config: options,
  stateVersion: STATE_VERSION,
  metrics: {
    'batches/alpha': { unit: 'share', what: 'share of the uniform distribution in the target distribution' },
    'batches/distance_to_corpus': {
      unit: 'share',
      what: 'total variation distance between the tokens served and the corpus',
    },
    'batches/distance_to_uniform': {
      unit: 'share',
      what: 'total variation distance between the tokens served and uniform',
    },
  },
})
export default class CurriculumBatches implements BatchSource, ServedTokens {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, CurriculumBatches);
    bindings.bind(ServedTokens, CurriculumBatches);
  }

  readonly #alpha: Tunable;
  /** How often each token was served as an input. */
  #served = new Float64Array(0);
  /** Windows served to all ranks together. */
  #windows = 0;
  #rounds: { readonly reader: TokenReader; readonly live: Rounds } | undefined;
  /** State to continue from at the first batch, with the `id` of the data it belongs to. */
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

  /** Every rank counts the windows of all ranks, so all rank the same candidates in the same order. */
  async next({ batchSize, blockSize }: BatchShape, rows: Rows = { first: 0, count: batchSize }): Promise<Batch> {
    const rounds = this.#roundsOf(blockSize);
    const reader = this.data.split('train');
    const size = rows.count * blockSize;
    const batch = { inputs: new Int32Array(size), targets: new Int32Array(size), batchSize: rows.count, blockSize };
    for (let window = 0; window < batchSize; window++) {
      const next = rounds.next();
      const { start, tokens } = next instanceof Promise ? await next : next;
      const row = window - rows.first;
      if (row >= 0 && row < rows.count) {
        batch.inputs.set(tokens.subarray(0, blockSize), row * blockSize);
        if (reader.readTargets === undefined) batch.targets.set(tokens.subarray(1), row * blockSize);
        else reader.readTargets(start + 1, blockSize, batch.targets, row * blockSize);
      }
      for (let at = 0; at < blockSize; at++) {
        const id = tokens[at] ?? 0;
        this.#served[id] = (this.#served[id] ?? 0) + 1;
      }
    }
    this.#windows += batchSize;
    return batch;
  }

  evaluation(split: Split, index: number, shape: BatchShape, rows?: Rows): Batch {
    return randomWindows(this.data.split(split), this.streams.at(`evaluation/${split}`, index), shape, rows);
  }

  progress(): BatchProgress {
    return { shard: 0, position: this.#windows };
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
   * Publishes the distance of the tokens served from the corpus and from uniform (total variation, 0 to 1). Publishes
   * nothing after the data has changed until its first batch.
   */
  @On('evaluation:end')
  async report({ iteration }: EvaluationEnd): Promise<void> {
    const total = this.#served.reduce((sum, count) => sum + count, 0);
    const blockSize = (this.#rounds?.live.state ?? this.#from?.state)?.blockSize;
    if (blockSize === undefined || total === 0 || this.#isOtherData()) return;
    const corpus = await this.#roundsOf(blockSize).corpus();
    const distance = (shares: Float64Array): number =>
      shares.reduce((sum, share, id) => sum + Math.abs(share - (this.#served[id] ?? 0) / total), 0) / 2;
    const values = {
      'batches/alpha': this.#alpha.value,
      'batches/distance_to_corpus': distance(targetShares(corpus, 0)),
      'batches/distance_to_uniform': distance(targetShares(corpus, 1)),
    };
    await this.bus.dispatch('metrics', { iteration, values });
  }

  state(): State {
    const rounds = this.#rounds?.live.state ?? this.#from?.state;
    return {
      served: [...this.#served],
      windows: this.#windows,
      rounds: rounds === undefined ? null : { ...rounds, pool: [...rounds.pool], queue: [...rounds.queue] },
      data: this.#idOfRounds(),
    };
  }

  restore(state: unknown, version = STATE_VERSION): void {
    const { served, windows, rounds, data } = readState(state, version, (line) => {
      this.log.warn(line);
    });
    this.#served = Float64Array.from(served);
    this.#windows = windows;
    this.#from = rounds === null ? undefined : { state: rounds, data };
    void this.dispose();
  }

  async dispose(): Promise<void> {
    const rounds = this.#rounds;
    this.#rounds = undefined;
    await rounds?.live.close();
  }

  /**
   * Returns the current rounds, or starts new ones if the data or the block size has changed; a new alpha ranks again.
   */
  #roundsOf(blockSize: number): Rounds {
    const reader = this.data.split('train');
    const alpha = this.#alpha.value;
    if (this.#rounds?.reader === reader && this.#rounds.live.blockSize === blockSize) {
      const { live } = this.#rounds;
      if (live.alpha !== alpha) live.begin(rescored(live.state, alpha), [...this.#served]);
      return live;
    }
    const before = this.#rounds?.live.state ?? this.#from?.state;
    void this.#rounds?.live.close();
    const other = this.#isOtherData();
    if (this.#served.length !== this.data.vocabSize) this.#served = new Float64Array(this.data.vocabSize);
    const fits = (start: number): boolean => start + blockSize < reader.length;
    const usable = before?.blockSize === blockSize && !other && [...before.pool, ...before.queue].every(fits);
    const kept = usable ? before : { blockSize, alpha, chunks: before?.chunks ?? 0, pool: [], queue: [] };
    const state = kept.alpha === alpha ? kept : rescored(kept, alpha);
    this.#from = undefined;
    this.#rounds = { reader, live: this.#start(reader, state) };
    return this.#rounds.live;
  }

  /** Id of the data that the rounds were drawn from. */
  #idOfRounds(): string | undefined {
    return this.#rounds?.reader.id ?? this.#from?.data;
  }

  /** Whether the data has changed since the rounds were drawn, because the vocabulary has grown. */
  #isOtherData(): boolean {
    const reader = this.data.split('train');
    const id = this.#idOfRounds();
    return this.#rounds?.reader !== reader && id !== undefined && id !== reader.id;
  }

  #start(reader: TokenReader, state: RoundsState): Rounds {
    const { candidates, oversampling: fresh, sample_tokens: sampleTokens } = this.config;
    const { vocabSize } = this.data;
    const { blockSize } = state;
    const round = Math.min(this.config.round, windowsIn(reader, blockSize));
    const file = reader.parts[0]?.file;
    const cache = file === undefined ? undefined : path.join(path.dirname(file), CACHE);
    const onCorpus = ({ note }: Corpus): void => {
      if (note !== undefined) this.log.warn(note);
    };
    const { streams } = this;
    const setup = { reader, streams, blockSize, vocabSize, candidates, round, fresh, sampleTokens, cache, onCorpus };
    return new Rounds(setup, state, [...this.#served]);
  }
}

/** Returns the windows that this round has not served to the candidates, to be ranked again with them. */
function rescored(state: RoundsState, alpha: number): RoundsState {
  return { ...state, alpha, pool: [...state.pool, ...state.queue], queue: [] };
}
