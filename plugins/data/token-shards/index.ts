import { z } from 'zod';
import {
  ConfigPlaces,
  Dataset,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunFolder,
  TokenizerFactory,
  Tokenizers,
  UsageError,
  type Bindings,
  type Split,
  type Tokenizer,
  type TokenReader,
} from '../../../core/index.js';
import { MemoryReader } from '../shared/memory-reader.js';
import { changed, contentOf, contentSchema, difference, type Content } from './content.js';
import { common, foldersOf, hashesInMeta } from './folders.js';
import { tokenizerIn } from '../shared/meta.js';
import { refuseOtherContent } from './refusals.js';
import { ShardReader } from './reader.js';
import { scanShards } from './shards.js';
import { readText } from './text.js';
import { openValidationSet, validationSchema } from './validation.js';

const options = z
  .strictObject({
    text: z
      .string()
      .min(1)
      .optional()
      .describe('text file (UTF-8), or npm:PACKAGE/path; tokenized when the run starts')
      .meta({ aka: ['corpus', 'text'], replaces: ['dir'], input: 'a text' }),
    dir: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .optional()
      .describe(
        'folder of train and val .bin files from `espalier prepare`, nanoGPT or llm.c, or of the parts of a preparation; or a list of such folders with the same vocabulary',
      )
      .meta({ aka: ['dataset'], replaces: ['text'], input: 'a folder of token files' }),
    validation: validationSchema
      .default({})
      .describe('additional validation sets by name: each a text, or folders whose `val` files are used'),
    val_fraction: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.1)
      .describe('share of the text, at its end, used for validation')
      .meta({ resume: 'fixed' }),
    allow_change: z
      .boolean()
      .default(false)
      .describe('allow resuming with other data than the checkpoint’s (`--allow-data-change`)'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'token-shards',
  summary: 'Reads tokens from a text file, or from .bin files of any size.',
  slot: 'data',
  config: options,
})
export default class TokenShards implements Dataset {
  static register(bindings: Bindings): void {
    bindings.bind(Dataset, TokenShards);
  }

  vocabSize = 0;
  description = 'not opened';
  tokenizer: Tokenizer | undefined;
  readonly validationSets: readonly string[];
  readonly #splits = new Map<Split, TokenReader>();
  readonly #validation = new Map<string, TokenReader>();
  #content: Content = { train: [], val: [] };
  #knowsVocabulary = true;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(TokenizerFactory) private readonly configured: TokenizerFactory,
    @inject(Tokenizers) private readonly tokenizers: Tokenizers,
    @inject(Model) private readonly model: Model,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(Logger) private readonly log: Logger,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
  ) {
    const { text, dir, validation } = this.config;
    this.validationSets = Object.keys(validation);
    if ((text === undefined) !== (dir === undefined)) return;
    const how =
      text === undefined
        ? 'no training data: set data.text (a text file) or data.dir (a folder of `espalier prepare`), e.g. --set data.text=book.txt'
        : `${this.#placeOf('text')} and ${this.#placeOf('dir')} are both set: remove one`;
    throw new UsageError('ESP_DATA_SOURCE', how);
  }

  @On('run:setup')
  async open(): Promise<void> {
    if (this.config.text !== undefined) await this.#openText(this.config.text);
    else await this.#openFolders([this.config.dir ?? []].flat());
    const sets = await this.#openValidation();
    const sizes = `${this.split('train').length.toLocaleString('en-US')} training and ${this.split('val').length.toLocaleString('en-US')} validation tokens`;
    const source = this.config.text ?? [this.config.dir].flat().join(', ');
    this.description = `${source}: ${sizes}, vocabulary of ${String(this.vocabSize)}${sets}`;
  }

  split(name: Split): TokenReader {
    const reader = this.#splits.get(name);
    if (reader === undefined) throw new Error('the dataset is opened in run:setup');
    return reader;
  }

  validationSet(name: string): TokenReader {
    const reader = this.#validation.get(name);
    if (reader === undefined) throw new Error(`there is no validation set ${name}, or run:setup has not run yet`);
    return reader;
  }

  dispose(): void {
    for (const reader of [...this.#splits.values(), ...this.#validation.values()])
      if (reader instanceof ShardReader) reader.close();
  }

  state(): Content {
    return this.#content;
  }

  /** @throws UsageError when the data has changed, unless `allow_change` is set */
  restore(state: unknown): void {
    const what = difference(contentSchema.parse(state), this.#content);
    if (what === undefined) return;
    if (!this.config.allow_change) throw changed(what);
    this.log.warn(`resuming with other data: ${what}`);
  }

  /** Opens the named sets. @returns their part of the description */
  async #openValidation(): Promise<string> {
    const { tokenizer, vocabSize, ranks, model } = this;
    const fits = { tokenizer, vocabSize, ranks, blockSize: model.blockSize, knowsVocabulary: this.#knowsVocabulary };
    const fromConfig = (file: string): string => this.folder.fromConfig(file);
    const sets: string[] = [];
    for (const [name, named] of Object.entries(this.config.validation)) {
      const path = ['data', 'validation', name];
      const key = `${this.places.before(path)}data.validation.${name}`;
      const reader = await openValidationSet(key, named, { ...fits, fromConfig });
      this.#validation.set(name, reader);
      sets.push(`${name} (${reader.length.toLocaleString('en-US')} tokens)`);
    }
    return sets.length === 0 ? '' : `; validation sets ${sets.join(', ')}`;
  }

  #placeOf(key: 'text' | 'dir'): string {
    const place = this.places.of(['data', key]);
    return `data.${key}${place === undefined ? '' : ` at ${place}`}`;
  }

  async #openText(name: string): Promise<void> {
    const shown = `${this.places.before(['data', 'text'])}data.text ${name}`;
    const text = readText(name, shown, (file) => this.folder.fromConfig(file));
    this.tokenizer = await this.configured.forText(text);
    this.vocabSize = this.tokenizer.vocabSize;
    const tokens = await this.tokenizer.encode(text);
    const trainLength = Math.floor(tokens.length * (1 - this.config.val_fraction));
    const read = (split: Split, part: Int32Array): Content[Split] => {
      const reader = new MemoryReader(part, name, { endOfText: this.tokenizer?.endOfText });
      this.#splits.set(split, reader);
      return contentOf([{ file: name, length: part.length }], new Map([[name, reader.id]]));
    };
    this.#content = {
      train: read('train', tokens.subarray(0, trainLength)),
      val: read('val', tokens.subarray(trainLength)),
    };
  }

  async #openFolders(names: readonly string[]): Promise<void> {
    const key = `${this.places.before(['data', 'dir'])}data.dir`;
    const folders = names.flatMap((name) => foldersOf(this.folder.fromConfig(name), name, key));
    const meta = common(folders);
    const limit = meta.vocab_size ?? (this.model.vocabSize > 0 ? this.model.vocabSize : Infinity);
    let largest = 0;
    // If hashes are known from meta.json, each rank reads only its share of the files; together they check all of them.
    const known = limit === Infinity ? new Map<string, string>() : hashesInMeta(folders);
    const scan = (split: Split): Content[Split] => {
      const shards = folders.flatMap(({ found }) => found[split]);
      const others = shards.filter((_, i) => i % this.ranks.size !== this.ranks.rank).map(({ file }) => file);
      const scanned = scanShards(shards, limit, new Map([...known].filter(([file]) => others.includes(file))));
      this.#splits.set(split, scanned.reader);
      for (const each of folders) refuseOtherContent(each.folder, each.meta, scanned.hashes);
      largest = Math.max(largest, scanned.largest);
      return contentOf(shards, scanned.hashes);
    };
    const chat = meta.chat === undefined ? {} : { chat: meta.chat };
    this.#content = { train: scan('train'), val: scan('val'), ...chat };
    this.vocabSize = limit === Infinity ? largest + 1 : limit;
    this.#knowsVocabulary = limit !== Infinity;
    const state = tokenizerIn(meta);
    if (state !== undefined) this.tokenizer = await this.tokenizers.fromState(state, this.configured);
    for (const reader of this.#splits.values())
      if (reader instanceof ShardReader) reader.endOfText = this.tokenizer?.endOfText;
  }
}
