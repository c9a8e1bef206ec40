import { existsSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, UsageError, type TokenizerState } from '../../../core/index.js';
import { readJsonFile } from '../../files/contract.js';
import { chatFormatSchema } from '../chat/format.js';

/** The file next to token files that says what they hold: `espalier prepare` writes it last, and `data.dir` reads it. */
export const META = 'meta.json';
/** Ends the name of a file that is not whole yet: readers refuse a folder with one. */
export const PARTIAL = '.partial';

/** Ends the names of what may lie beside a shard: its loss mask, and where documents begin in it. */
export const BESIDE = { mask: '.mask', documents: '.documents' } as const;
export const besideKinds = ['mask', 'documents'] as const;

const count = z.int().min(0);
/** A file beside a shard. `format` is that of its bytes. */
const beside = z.looseObject({ format: z.literal(1), file: z.string(), sha256: z.string() });
const shards = z.array(
  z.looseObject({
    /** Name in the folder. */
    file: z.string(),
    tokens: count,
    /** Of the whole file, in hex. */
    sha256: z.string(),
    mask: beside.optional(),
    documents: beside.optional(),
  }),
);

const metaSchema = z.looseObject({
  format: z.literal(1),
  /** Every id is below it. */
  vocab_size: z.int().min(1),
  /** Of an id in the shards, little-endian. */
  dtype: z.enum(['uint16', 'uint32']),
  /** Id of the token between two documents. */
  end_of_text: count.nullable(),
  /** State of the tokenizer that the tokens were made with; its kind under `tokenizer`. */
  tokenizer: z.looseObject({ tokenizer: z.string() }),
  /** How its conversations were written as text, where it holds some. */
  chat: chatFormatSchema.optional(),
  tokens: z.looseObject({ train: count, val: count }),
  /** Those of them that are learned, where not all are. */
  learned: z.looseObject({ train: count, val: count }).optional(),
  /** Of each split; `empty` ones gave no token and are in neither. */
  documents: z.looseObject({ train: count, val: count, empty: count }),
  shards: z.strictObject({ train: shards, val: shards }),
  /** From which inputs, and how. */
  made: z.record(z.string(), z.unknown()),
});

/** What `espalier prepare` writes; the same inputs and options give the same, on any number of workers. */
export type PreparedData = z.output<typeof metaSchema>;
/** A shard as it is listed there. */
export type ShardFacts = PreparedData['shards']['train'][number];

/** Every file of shards, with its SHA-256. */
export function filesOf(shards: readonly ShardFacts[]): { readonly file: string; readonly sha256: string }[] {
  return shards.flatMap((shard) => [shard, ...besideKinds.flatMap((kind) => shard[kind] ?? [])]);
}

/** Name of what lies beside a shard. */
export function besideName(shard: string, kind: keyof typeof BESIDE): string {
  return shard.replace(/\.bin$/, BESIDE[kind]);
}

/** What is read of it. In data that others made everything may be missing. */
const readSchema = metaSchema
  .pick({ vocab_size: true, dtype: true, tokenizer: true, chat: true, shards: true })
  .partial()
  // Characters by id, where the data is nanoGPT's and its meta was saved as JSON.
  .extend({ itos: z.record(z.string(), z.string()).optional() });
export type Meta = z.output<typeof readSchema>;

/** @throws UsageError when the file is there and cannot be used */
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

/** The state of the tokenizer that the tokens were made with. */
export function tokenizerIn({ tokenizer, itos }: Meta): TokenizerState | undefined {
  if (tokenizer !== undefined || itos === undefined) return tokenizer;
  const characters = Array.from({ length: Object.keys(itos).length }, (_, id) => itos[String(id)] ?? '').join('');
  return { tokenizer: 'char', characters };
}

/** The type of ids of a vocabulary: two bytes while all fit them. */
export function dtypeFor(vocabSize: number): PreparedData['dtype'] {
  return vocabSize <= 1 << 16 ? 'uint16' : 'uint32';
}

/** Bytes of an id; two where the type is not known. */
export function bytesOf(dtype: PreparedData['dtype'] | undefined): 2 | 4 {
  return dtype === 'uint32' ? 4 : 2;
}
