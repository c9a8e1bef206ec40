import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf, UsageError } from '../../../core/index.js';
import { fileKind, KIND_BYTES, markLength, withoutMarks } from '../../files/contract.js';
import type { Input } from './inputs.js';
import { startsAsZstd, unzstd } from './zstd.js';

/** Bytes of text to read, and later encode, at a time. */
export const PIECE_BYTES = 1 << 18;

const GZIP = Buffer.from([0x1f, 0x8b]);

/** An opened input. */
export interface TextBytes {
  /**
   * The unpacked text without byte order marks (like `decodeCorpus`). The first chunk has at least `KIND_BYTES`, unless
   * the input is shorter.
   */
  readonly chunks: AsyncGenerator<Buffer>;
  /** The first chunk; empty for an empty input. */
  readonly start: Buffer;
  /** Length of the byte order mark that was removed at the start: 3 or 0. */
  readonly mark: number;
  readonly packed: boolean;
}

/**
 * Opens an input. Unpacks gzip and zstd, recognised by content, not by name. Read `chunks` to the end, or call its
 * `return`, to close the file.
 * @param onRead called with the number of bytes read from the input, before unpacking
 * @throws UsageError when it cannot be read or unpacked, or is not text
 */
export async function openText(input: Input, onRead: (bytes: number) => void): Promise<TextBytes> {
  const raw = withLongStart(rawBytes(input, onRead));
  const { start, whole } = await peek(raw);
  const format = start.subarray(0, GZIP.length).equals(GZIP) ? 'gzip' : startsAsZstd(start) ? 'zstd' : undefined;
  if (format === undefined) return asText(input, start, whole, false);
  const chunks = unpacked(input, format, format === 'gzip' ? gunzip(whole) : unzstd(whole));
  const inner = await peek(withLongStart(chunks));
  return asText(input, inner.start, inner.whole, true);
}

async function asText(
  input: Input,
  start: Buffer,
  chunks: AsyncGenerator<Buffer>,
  packed: boolean,
): Promise<TextBytes> {
  const kind = fileKind(start);
  if (kind === undefined) {
    const mark = markLength(start);
    return { chunks: mark === 0 ? chunks : withoutMarks(chunks), start: start.subarray(mark), mark, packed };
  }
  await chunks.return(undefined);
  const code = kind.what.startsWith('UTF') ? 'ESP_PREPARE_UTF8' : 'ESP_PREPARE_FORMAT';
  throw new UsageError(code, `${input.name} ${packed ? 'holds' : 'is'} ${kind.what}: ${kind.advice}`);
}

async function* rawBytes({ file, name }: Input, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const stream: AsyncIterable<unknown> =
    file === null ? process.stdin : createReadStream(file, { highWaterMark: PIECE_BYTES });
  try {
    for await (const chunk of stream) {
      if (!Buffer.isBuffer(chunk)) throw new TypeError('a stream of bytes was expected');
      onRead(chunk.length);
      yield chunk;
    }
  } catch (thrown) {
    throw new UsageError('ESP_PREPARE_INPUT', `${name} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** Joins chunks until the first has at least `KIND_BYTES`, unless there are fewer. */
async function* withLongStart(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let start: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (start !== undefined && start.length + chunk.length < KIND_BYTES) {
      start = Buffer.concat([start, chunk]);
      continue;
    }
    yield start === undefined || start.length === 0 ? chunk : Buffer.concat([start, chunk]);
    start = undefined;
  }
  if (start !== undefined && start.length > 0) yield start;
}

/** Returns the first chunk, and a stream of all chunks. */
async function peek(chunks: AsyncGenerator<Buffer>): Promise<{ start: Buffer; whole: AsyncGenerator<Buffer> }> {
  const first = await chunks.next();
  if (first.done === true) return { start: Buffer.alloc(0), whole: chunks };
  return { start: first.value, whole: startingWith(first.value, chunks) };
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

async function* unpacked(input: Input, how: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw new UsageError(
      'ESP_PREPARE_COMPRESSED',
      `${input.name} cannot be unpacked as ${how}: ${messageOf(thrown)}; it is damaged or cut off: fetch or pack it again`,
      { cause: thrown },
    );
  }
}

/** Unpacks consecutive gzip members; zeros may follow, which tape drives pad with. */
async function* gunzip(packed: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let read = 0;
  /** Number of bytes up to the last non-zero one. */
  let filled = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of packed) {
      let end = chunk.length;
      while (end > 0 && chunk[end - 1] === 0) end--;
      if (end > 0) filled = read + end;
      read += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(counted());
  const gunzipped = createGunzip({ chunkSize: PIECE_BYTES });
  source.on('error', (error) => gunzipped.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzipped)) if (Buffer.isBuffer(chunk)) yield chunk;
    // Node.js stops at a 0 after a member, whatever follows it.
    for await (const chunk of source) if (!Buffer.isBuffer(chunk)) break;
    if (filled > gunzipped.bytesWritten) throw new Error('there is more after its end');
  } finally {
    source.destroy();
    await packed.return(undefined);
  }
}
