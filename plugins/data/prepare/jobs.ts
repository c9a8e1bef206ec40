import { type Split, messageOf, UsageError } from '../../../core/index.js';
import type { ChatFormat } from '../chat/format.js';
import { openText } from './bytes.js';
import { characterStart, findCut, type CanCut } from './cut.js';
import type { Input } from './inputs.js';
import { rowSlices } from './parquet.js';
import { recordLayout, recordLines, startsWithRecord, type RecordLayout } from './records.js';

/** Work for a worker: documents, or a part of one. Bytes are transferred, not copied. */
export type Piece =
  | {
      readonly kind: 'text';
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** The character before it, if it continues a document. */
      readonly before: string;
    }
  | {
      readonly kind: 'jsonl';
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly field: string;
      /** How records are written in the file; `bytes` has one per line. */
      readonly layout: RecordLayout;
      /** How to write conversations as text, if the records are conversations; `field` is then unused. */
      readonly chat: ChatFormat | undefined;
    }
  | {
      readonly kind: 'parquet';
      readonly file: string;
      readonly field: string;
      readonly from: number;
      readonly to: number;
    };

/** A piece with its place. Jobs are encoded in any order, and their results are used in order. */
export interface Job {
  readonly piece: Piece;
  readonly input: Input;
  /** Whether it is the first piece of its input. */
  readonly first: boolean;
  /** The split of its documents; undefined if each record is assigned by its number. */
  readonly split: Split | undefined;
  /** For text: whether a document starts here. */
  readonly starts: boolean;
  /** For text: position in the unpacked input, in bytes. */
  readonly offset: number;
}

export interface JobOptions {
  readonly field: string;
  readonly chat: ChatFormat | undefined;
  /** Byte at which the validation part of each text input starts. */
  readonly valStarts: ReadonlyMap<Input, number>;
  /** Approximate size of a piece in bytes; where texts may be cut decides the exact size. */
  readonly pieceBytes: number;
  /** Where texts may be cut (see `Tokenizer.canCut`); undefined: nowhere. */
  readonly canCut: CanCut | undefined;
  /** Called with the number of bytes read from the inputs. */
  readonly onRead: (bytes: number) => void;
  /** Called for a text file that starts with a JSON record with text in `field`. */
  readonly onRecord: (input: Input) => void;
}

/** Yields every piece of every input in order. The pieces do not depend on the number of workers. */
export async function* jobsOf(inputs: readonly Input[], options: JobOptions): AsyncGenerator<Job> {
  for (const input of inputs) {
    if (input.format === 'text') yield* textJobs(input, options);
    else if (input.format === 'jsonl') yield* jsonlJobs(input, options);
    else yield* parquetJobs(input, options);
  }
}

/** Bytes at the end that a search for a cut excludes if more text may follow. */
const LONGEST_CHARACTER = 4;

async function* textJobs(input: Input, options: JobOptions): AsyncGenerator<Job> {
  const { valStarts, canCut, pieceBytes, onRead } = options;
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let valStart = valStarts.get(input) ?? Infinity;
  let split: Split = input.split ?? 'train';
  let starts = true;
  let before = '';
  let searched = 0;
  let jobs = 0;
  const { chunks, start, mark } = await openText(input, onRead);
  if (startsWithRecord(start, options.field)) options.onRecord(input);
  const take = (end: number): Job => {
    const piece = { kind: 'text', bytes: new Uint8Array(rest.subarray(0, end)), before } as const;
    before = rest.toString('utf8', characterStart(rest, end - 1), end);
    const job = { piece, input, first: jobs === 0, split, starts, offset: mark + offset };
    rest = rest.subarray(end);
    offset += end;
    starts = false;
    searched = 0;
    jobs++;
    return job;
  };
  const cutOf = (bytes: Buffer, more: boolean): number => {
    if (canCut === undefined) return 0;
    const cut = findCut(bytes, canCut, { wanted: pieceBytes, searched, more });
    if (cut === 0) searched = bytes.length - LONGEST_CHARACTER;
    return cut;
  };
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      const toVal = valStart - offset;
      const ended = rest.length > toVal;
      const end = ended ? characterStart(rest, toVal) : rest.length;
      const cut = end > pieceBytes ? cutOf(rest.subarray(0, end), !ended) : 0;
      if (cut > 0) {
        yield take(cut);
      } else if (ended) {
        if (end > 0) yield take(end);
        valStart = Infinity;
        split = 'val';
        starts = true;
        before = '';
      } else break;
    }
  }
  // An empty text counts, too.
  if (rest.length > 0 || jobs === 0) yield take(rest.length);
}

async function* jsonlJobs(input: Input, { field, chat, pieceBytes, onRead }: JobOptions): AsyncGenerator<Job> {
  let parts: Buffer[] = [];
  let size = 0;
  const { chunks, start, mark } = await openText(input, onRead);
  let offset = mark;
  const layout = recordLayout(start);
  const take = (): Job => {
    const bytes = new Uint8Array(Buffer.concat(parts));
    const piece = { kind: 'jsonl', bytes, field, layout, chat } as const;
    offset += bytes.length;
    const from = offset - bytes.length;
    return { piece, input, first: from === mark, split: input.split, starts: true, offset: from };
  };
  for await (const chunk of layout === 'lines' ? chunks : rewrittenRecords(input, chunks, layout)) {
    const end = size + chunk.length < pieceBytes ? 0 : chunk.lastIndexOf(0x0a) + 1;
    if (end > 0) {
      parts.push(chunk.subarray(0, end));
      yield take();
      parts = [];
      size = 0;
    }
    parts.push(chunk.subarray(end));
    size += chunk.length - end;
  }
  if (size > 0) yield take();
}

async function* rewrittenRecords(
  input: Input,
  chunks: AsyncGenerator<Buffer>,
  layout: Exclude<RecordLayout, 'lines'>,
): AsyncGenerator<Buffer> {
  try {
    yield* recordLines(chunks, layout);
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw new UsageError(
      'ESP_PREPARE_JSON',
      `${input.name} is not a JSON file of records: ${messageOf(thrown)}; write it again, ideally as JSONL: one record per line`,
      { cause: thrown },
    );
  }
}

async function* parquetJobs(input: Input, { field, onRead }: JobOptions): AsyncGenerator<Job> {
  let first = true;
  for (const { file, from, to, bytes } of await rowSlices(input, field)) {
    onRead(bytes);
    const piece = { kind: 'parquet', file, field, from, to } as const;
    yield { piece, input, first, split: input.split, starts: true, offset: 0 };
    first = false;
  }
}
