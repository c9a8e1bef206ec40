import { z } from 'zod';
import type { ConfigPlaces, RunFolder, Tokenizer } from '../../../core/index.js';
import { readExamples, type Example } from './example-file.js';

/** Options of an evaluator that reads examples from files. */
export const exampleOptions = {
  files: z
    .record(z.string(), z.string().min(1, 'give a file'))
    .refine(
      (files) => Object.keys(files).every((name) => /^[\w.-]+$/.test(name)),
      'a name is made of letters, digits, "_", "-" and "."',
    )
    .refine((files) => Object.keys(files).length > 0, 'name at least one file: NAME: FILE.jsonl')
    .describe('JSONL files, by the name that their metrics start with'),
  limit: z.int().min(0).default(0).describe('examples to use from the start of each file; 0: all'),
  interval: z
    .int()
    .min(0)
    .default(0)
    .describe('iterations between measurements, which happen at evaluations; 0: at every evaluation'),
};
type ExampleOptions = z.output<z.ZodObject<typeof exampleOptions>>;

/** Where an evaluator's files are configured. */
interface Source {
  readonly plugin: string;
  readonly config: ExampleOptions;
  readonly folder: RunFolder;
  readonly places: ConfigPlaces;
}

/** The examples of an evaluator's files: read and checked once, and encoded once per tokenizer. */
export class ExampleSets<Schema extends z.ZodType, T> {
  #read: ReadonlyMap<string, readonly Example<z.output<Schema>>[]> | undefined;
  #encoded: { readonly by: Tokenizer; readonly sets: ReadonlyMap<string, readonly T[]> } | undefined;

  constructor(
    private readonly source: Source,
    private readonly schema: Schema,
    private readonly encode: (example: Example<z.output<Schema>>, tokenizer: Tokenizer) => Promise<T>,
  ) {}

  /**
   * Returns the encoded examples of each file.
   * @throws UsageError naming file, line and key of the first invalid example
   */
  async encoded(tokenizer: Tokenizer): Promise<ReadonlyMap<string, readonly T[]>> {
    if (this.#encoded?.by === tokenizer) return this.#encoded.sets;
    const sets = new Map<string, readonly T[]>();
    for (const [name, examples] of (this.#read ??= this.#readAll())) {
      const own: T[] = [];
      for (const example of examples) own.push(await this.encode(example, tokenizer));
      sets.set(name, own);
    }
    this.#encoded = { by: tokenizer, sets };
    return sets;
  }

  #readAll(): Map<string, readonly Example<z.output<Schema>>[]> {
    const { plugin, config, folder, places } = this.source;
    return new Map(
      Object.entries(config.files).map(([name, file]) => {
        const key = places.key(['plugins', plugin, 'files', name]);
        return [name, readExamples({ name: file, path: folder.fromConfig(file), key }, this.schema, config.limit)];
      }),
    );
  }
}
