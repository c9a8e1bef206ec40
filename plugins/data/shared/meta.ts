import { existsSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, UsageError, type TokenizerState } from '../../../core/index.js';
import { readJsonFile } from '../../files/contract.js';
import { chatFormatSchema } from '../chat/format.js';

/** File next to token files that describes them; `espalier prepare` writes it last, and `data.dir` reads it. */
export const META = 'meta.json';
/** Suffix of incomplete files: readers refuse a folder that contains one. */
export const PARTIAL = '.partial';

/** Suffixes of files next to a shard: its loss mask, and the positions at which documents begin. */
export const BESIDE = { mask: '.mask', documents: '.documents' } as const;
export const besideKinds = ['mask', 'documents'] as const;

const count = z.int().min(0);
/** A file next to a shard. `format` is the format of its bytes. */
const beside = z.looseObject({ format: z.literal(1), file: z.string(), sha256: z.string() });
const shards = z.array(
  z.looseObject({
    /** Name in the folder. */
    file: z.string(),
    tokens: count,
    /** SHA-256 of the whole file, in hex. */
    sha256: z.string(),
    mask: beside.optional(),
    documents: beside.optional(),
  }),
);

const metaSchema = z.looseObject({
  format: z.literal(1),
  /** Larger than every id. */
  vocab_size: z.int().min(1),
  /** Type of the ids in the shards, little-endian. */
  dtype: z.enum(['uint16', 'uint32']),
  /** Id of the token between documents. */
  end_of_text: count.nullable(),
  /** State of the tokenizer that was used; its kind is under `tokenizer`. */
  tokenizer: z.looseObject({ tokenizer: z.string() }),
  /** How conversations were written as text, if there are any. */
  chat: chatFormatSchema.optional(),
  tokens: z.looseObject({ train: count, val: count }),
  /** Number of learned tokens, if not all are learned. */
  learned: z.looseObject({ train: count, val: count }).optional(),
  /** Number of documents in each split; `empty` ones have no tokens and are in neither. */
  documents: z.looseObject({ train: count, val: count, empty: count }),
  shards: z.strictObject({ train: shards, val: shards }),
  /** Inputs and options of the preparation. */
  made: z.record(z.string(), z.unknown()),
});

/** Content of `meta.json`. Equal inputs and options give equal content, with any number of workers. */
export type PreparedData = z.output<typeof metaSchema>;
/** A shard's entry. */
export type ShardFacts = PreparedData['shards']['train'][number];

/** Lists all files of shards, with their SHA-256. */
export function filesOf(shards: readonly ShardFacts[]): { readonly file: string; readonly sha256: string }[] {
  return shards.flatMap((shard) => [shard, ...besideKinds.flatMap((kind) => shard[kind] ?? [])]);
}

/** Returns the name of a file next to a shard. */
export function besideName(shard: string, kind: keyof typeof BESIDE): string {
  return shard.replace(/\.bin$/, BESIDE[kind]);
}

/** What is read from it. Everything may be missing in data made by other programs. */
const readSchema = metaSchema
  .pick({ vocab_size: true, dtype: true, tokenizer: true, chat: true, shards: true })
  .partial()
  // Characters by id, in nanoGPT's data whose meta was saved as JSON.
  .extend({ itos: z.record(z.string(), z.string()).optional() });
export type Meta = z.output<typeof readSchema>;

/** Reads `meta.json`; returns `{}` if it does not exist. @throws UsageError when it is not valid */
export function readMeta(file: string): Meta {
  if (!existsSync(file)) return {};
  try {
    return readSchema.parse(readJsonFile(file));
  } catch (thrown) {
    const why = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw new UsageError(
      'ESP_DATA_META',
      `${file} cannot be used: ${why}; prepare the data again, or remove the file`,
      { cause: thrown },
    );
  }
}

/** Returns the state of the tokenizer that was used; undefined if unknown. */
export function tokenizerIn({ tokenizer, itos }: Meta): TokenizerState | undefined {
  if (tokenizer !== undefined || itos === undefined) return tokenizer;
  const characters = Array.from({ length: Object.keys(itos).length }, (_, id) => itos[String(id)] ?? '').join('');
  return { tokenizer: 'char', characters };
}

/** Returns the type of ids for a vocabulary: two bytes if all ids fit. */
export function dtypeFor(vocabSize: number): PreparedData['dtype'] {
  return vocabSize <= 1 << 16 ? 'uint16' : 'uint32';
}

/** Returns the bytes per id; two if the type is unknown. */
export function bytesOf(dtype: PreparedData['dtype'] | undefined): 2 | 4 {
  return dtype === 'uint32' ? 4 : 2;
}
