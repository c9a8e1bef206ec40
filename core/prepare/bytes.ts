import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { messageOf, UsageError } from '../errors.js';
import type { Input } from './inputs.js';

/** Bytes of text that are read, and later encoded, at a time. */
export const PIECE_BYTES = 1 << 18;

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * The text of an input in chunks, unpacked when it starts as gzip or zstd does, whatever its name.
 * @param onRead is told how many bytes of the input itself were read
 * @throws UsageError when it cannot be read or unpacked
 */
export async function* textBytes(input: Input, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const raw = rawBytes(input, onRead);
  const first = await raw.next();
  if (first.done === true) return;
  const whole = startingWith(first.value, raw);
  if (first.value.subarray(0, GZIP.length).equals(GZIP)) yield* unpacked(input, 'gzip', gunzip(whole));
  else if (first.value.subarray(0, ZSTD.length).equals(ZSTD)) yield* unpacked(input, 'zstd', unzstd(whole));
  else yield* whole;
}

/** Its first chunk has 4 bytes at least, unless there are no more. */
async function* rawBytes({ file, name }: Input, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const stream: AsyncIterable<unknown> =
    file === null ? process.stdin : createReadStream(file, { highWaterMark: PIECE_BYTES });
  let start: Buffer | undefined = Buffer.alloc(0);
  try {
    for await (const chunk of stream) {
      if (!Buffer.isBuffer(chunk)) throw new TypeError('a stream of bytes was expected');
      onRead(chunk.length);
      if (start === undefined) {
        yield chunk;
        continue;
      }
      start = Buffer.concat([start, chunk]);
      if (start.length < ZSTD.length) continue;
      yield start;
      start = undefined;
    }
  } catch (thrown) {
    throw new UsageError('ESP_PREPARE_INPUT', `${name} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (start !== undefined && start.length > 0) yield start;
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* unpacked(input: Input, how: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw new UsageError(
      'ESP_PREPARE_COMPRESSED',
      `${input.name} cannot be unpacked as ${how}: ${messageOf(thrown)}; it is damaged or cut off`,
      { cause: thrown },
    );
  }
}

async function* gunzip(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(packed);
  const gunzipped = createGunzip({ chunkSize: PIECE_BYTES });
  source.on('error', (error) => gunzipped.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzipped)) if (Buffer.isBuffer(chunk)) yield chunk;
  } finally {
    source.destroy();
  }
}

async function* unzstd(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let ready: Buffer[] = [];
  const zstd = new Decompress((bytes) => {
    ready.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  });
  for await (const chunk of packed) {
    zstd.push(chunk);
    yield* ready;
    ready = [];
  }
  zstd.push(new Uint8Array(0), true);
  yield* ready;
}
