import { z } from 'zod';
import {
  ConfigPlaces,
  Dataset,
  inject,
  injectable,
  Logger,
  Model,
  PluginConfig,
  RunFolder,
  Tokenizers,
  UsageError,
  Wrapped,
  type Split,
  type Tokenizer,
  type TokenReader,
} from '../../../core/index.js';
import type { ShrunkenVocabulary } from '../../growth/contract.js';
import { openSharedModule } from '../shared/open-shared.js';
import { readVocabMap, shrunkenIds, type VocabMap } from '../shared/vocab-map.js';
import { RemappedReader } from './reader.js';
import type { RemapOptions } from './options.js';

/**
 * How tokens are served. `shrunken`: with ids of the shrunken vocabulary. `resized`: the model has a row for every
 * token again; kept tokens have their own ids, and all others the id of one token. `off`: unchanged.
 */
export const remapState = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('shrunken') }),
  z.strictObject({ mode: z.literal('resized'), rare_as: z.int().min(0) }),
  z.strictObject({ mode: z.literal('off') }),
]);
export type RemapState = z.output<typeof remapState>;

/** Maps the ids of a dataset for all readers: in training and evaluation, in this thread and in workers. */
@injectable()
export class RemappedDataset implements Dataset, ShrunkenVocabulary {
  readonly map: VocabMap;
  tokenizer: Tokenizer | undefined;
  #state: RemapState = { mode: 'shrunken' };
  readonly #readers = new Map<string, TokenReader>();
  #shrunkenTokenizer: Tokenizer | undefined;

  constructor(
    @inject(PluginConfig) private readonly config: RemapOptions,
    @inject(Wrapped) private readonly inner: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(Tokenizers) private readonly tokenizers: Tokenizers,
    @inject(Logger) private readonly log: Logger,
    @inject(RunFolder) folder: RunFolder,
    @inject(ConfigPlaces) places: ConfigPlaces,
  ) {
    const shown = `${places.key(['plugins', 'vocab-remap', 'file'])}: vocabulary mapping ${config.file}`;
    this.map = readVocabMap(folder.fromConfig(config.file), shown);
  }

  get vocabSize(): number {
    return this.#state.mode === 'shrunken' ? this.map.size : this.map.full_vocab;
  }

  get description(): string {
    return `${this.inner.description}, ${this.#state.mode === 'shrunken' ? `shrunken to ${String(this.map.size)}` : 'not shrunken'}`;
  }

  get mode(): RemapState['mode'] {
    return this.#state.mode;
  }

  rows(): Int32Array {
    return shrunkenIds(this.map);
  }

  get validationSets(): readonly string[] {
    return this.inner.validationSets ?? [];
  }

  split(name: Split): TokenReader {
    return this.#remapped(name, this.inner.split(name));
  }

  validationSet(name: string): TokenReader {
    if (this.inner.validationSet === undefined) throw new Error(`there is no validation set ${name}`);
    return this.#remapped(`validation ${name}`, this.inner.validationSet(name));
  }

  /** Checks the mapping. @throws UsageError when it does not match the data or the model */
  async open(): Promise<void> {
    const { file } = this.config;
    const { full_vocab, size } = this.map;
    if (full_vocab !== this.inner.vocabSize) {
      throw new UsageError(
        'ESP_VOCAB_DATA',
        `plugins.vocab-remap.file ${file} was built for a vocabulary of ${String(full_vocab)} tokens, but the data has ${String(this.inner.vocabSize)}; build it again with \`espalier vocab build\``,
      );
    }
    if (this.model.vocabSize > 0 && this.model.vocabSize !== size) {
      throw new UsageError(
        'ESP_VOCAB_MODEL',
        `model.vocab_size is ${String(this.model.vocabSize)}, but plugins.vocab-remap.file ${file} has ${String(size)} tokens; set model.vocab_size to null`,
      );
    }
    this.#tellCoverage();
    const { tokenizer } = this.inner;
    if (tokenizer !== undefined) {
      const state = { tokenizer: 'remapped', inner: tokenizer.state(), tokens: this.map.tokens };
      this.#shrunkenTokenizer = await this.tokenizers.fromState(state);
    }
    this.restore({ mode: 'shrunken' });
  }

  resized(rareAs: number): void {
    this.restore({ mode: 'resized', rare_as: rareAs });
  }

  disable(): void {
    this.restore({ mode: 'off' });
  }

  state(): RemapState {
    return this.#state;
  }

  /** Replaces the readers, so that batch strategies drop prefetched batches. */
  restore(state: RemapState): void {
    this.#state = state;
    this.#readers.clear();
    this.tokenizer = state.mode === 'shrunken' ? this.#shrunkenTokenizer : this.inner.tokenizer;
  }

  #remapped(key: string, inner: TokenReader): TokenReader {
    if (this.#state.mode === 'off') return inner;
    const reader = this.#readers.get(key) ?? new RemappedReader(inner, this.#ids(), openSharedModule);
    this.#readers.set(key, reader);
    return reader;
  }

  #ids(): Int32Array {
    const { full_vocab, tokens } = this.map;
    const ids = new Int32Array(new SharedArrayBuffer(4 * full_vocab));
    if (this.#state.mode === 'resized') {
      ids.fill(this.#state.rare_as);
      for (const token of tokens) ids[token] = token;
    } else ids.set(shrunkenIds(this.map));
    return ids;
  }

  #tellCoverage(): void {
    const { size, full_vocab, covered, tokens_for_90, tokens_for_99 } = this.map;
    this.log.info(
      `vocabulary shrunken from ${String(full_vocab)} to ${String(size)} tokens, which cover ${(100 * covered).toFixed(2)} % of what was counted (90 % needs ${String(tokens_for_90)}, 99 % ${String(tokens_for_99)})`,
    );
  }
}
