import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import {
  Dataset,
  inject,
  messageOf,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunFolder,
  TokenizerFactory,
  UsageError,
  type Bindings,
  type Split,
  type Tokenizer,
  type TokenReader,
} from '../../core/index.js';
import { ShardReader, shardFiles } from './shards.js';
import { MemoryReader, readText } from './text.js';

const options = z.strictObject({
  text: z
    .string()
    .min(1)
    .optional()
    .describe('a text file (UTF-8), or npm:PACKAGE/path; tokenized when the run starts'),
  dir: z
    .string()
    .min(1)
    .optional()
    .describe('a folder of train and val .bin files (uint16, little-endian), with meta.json or without'),
  val_fraction: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe('share of the text, at its end, that is kept for validation'),
});

const metaSchema = z.looseObject({
  vocab_size: z.int().min(1).max(65536).optional(),
  tokenizer: z.looseObject({ tokenizer: z.string() }).optional(),
  itos: z.record(z.string(), z.string()).optional(),
});

@Plugin({
  name: 'token-shards',
  summary: 'Tokens from a text file, or from .bin files read at positions.',
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
  readonly #splits = new Map<Split, TokenReader>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(TokenizerFactory) private readonly tokenizers: TokenizerFactory,
    @inject(Model) private readonly model: Model,
    @inject(RunFolder) private readonly folder: RunFolder,
  ) {
    const given = [this.config.text, this.config.dir].filter((source) => source !== undefined);
    if (given.length !== 1) {
      const both = given.length === 2 ? 'both are given' : 'neither is given';
      throw new UsageError(
        'ESP_DATA_SOURCE',
        `data needs one of data.text and data.dir: ${both}; set one, e.g. --set data.text=book.txt, or start from a preset: --preset char-small`,
      );
    }
  }

  @On('run:setup')
  open(): void {
    if (this.config.text !== undefined) this.#openText(this.config.text);
    else if (this.config.dir !== undefined) this.#openFolder(this.config.dir);
    const sizes = `${this.split('train').length.toLocaleString('en-US')} training and ${this.split('val').length.toLocaleString('en-US')} validation tokens`;
    this.description = `${this.config.text ?? this.config.dir ?? ''}: ${sizes}, vocabulary of ${String(this.vocabSize)}`;
  }

  split(name: Split): TokenReader {
    const reader = this.#splits.get(name);
    if (reader === undefined) throw new Error('the dataset is opened in run:setup');
    return reader;
  }

  dispose(): void {
    for (const reader of this.#splits.values()) if (reader instanceof ShardReader) reader.close();
  }

  #openText(name: string): void {
    const text = readText(name, (file) => this.folder.fromConfig(file));
    this.tokenizer = this.tokenizers.forText(text);
    this.vocabSize = this.tokenizer.vocabSize;
    const tokens = this.tokenizer.encode(text);
    const trainLength = Math.floor(tokens.length * (1 - this.config.val_fraction));
    this.#splits.set('train', new MemoryReader(tokens.subarray(0, trainLength)));
    this.#splits.set('val', new MemoryReader(tokens.subarray(trainLength)));
  }

  #openFolder(name: string): void {
    const folder = this.folder.fromConfig(name);
    if (!existsSync(folder) || !statSync(folder).isDirectory()) {
      throw new UsageError('ESP_DATA_DIR', `data.dir ${name}: there is no folder ${folder}`);
    }
    const meta = readMeta(path.join(folder, 'meta.json'));
    const limit = meta.vocab_size ?? (this.model.vocabSize > 0 ? this.model.vocabSize : 65536);
    let largest = 0;
    for (const split of ['train', 'val'] as const) {
      const files = shardFiles(folder, split);
      if (files.length === 0)
        throw new UsageError('ESP_DATA_DIR', `data.dir ${name} has no ${split}.bin and no ${split} shards`);
      const reader = new ShardReader(files);
      this.#splits.set(split, reader);
      largest = Math.max(largest, reader.scan(limit));
    }
    this.vocabSize = limit === 65536 ? largest + 1 : limit;
    if (meta.tokenizer !== undefined) this.tokenizer = this.tokenizers.fromState(meta.tokenizer);
    else if (meta.itos !== undefined) {
      const { itos } = meta;
      const characters = Array.from({ length: Object.keys(itos).length }, (_, id) => itos[String(id)] ?? '').join('');
      this.tokenizer = this.tokenizers.fromState({ tokenizer: 'char', characters });
    }
  }
}

function readMeta(file: string): z.output<typeof metaSchema> {
  if (!existsSync(file)) return {};
  try {
    return metaSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (thrown) {
    throw new UsageError('ESP_DATA_META', `${file} cannot be used: ${messageOf(thrown)}`, { cause: thrown });
  }
}
