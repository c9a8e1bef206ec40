import { Decompress } from 'fzstd';
import xxhash from 'xxhash-wasm';

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** The last 4 bits of a skippable frame's magic number may have any value. */
const SKIPPABLE_MASK = 0xfffffff0;
const MAX_BLOCK_BYTES = 1 << 17;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

/**
 * Unpacks Zstandard (RFC 8878): consecutive frames, including skippable ones such as pzstd writes. fzstd unpacks the
 * blocks; this checks what fzstd does not: sizes, checksums, and that every frame is complete.
 * @throws Error when the input is damaged or cut off
 */
export async function* unzstd(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hashes = await xxhash();
  const source = new ByteSource(packed);
  try {
    for (let magic = await source.next(4); magic !== undefined; magic = await source.next(4)) {
      if (isSkippable(magic)) await source.skip((await source.take(4)).readUInt32LE());
      else if (isFrame(magic)) yield* frame(source, hashes.create64());
      else throw new Error('what follows its first frame is not a frame');
    }
  } finally {
    await source.close();
  }
}

/** Returns whether bytes start with a zstd frame or a skippable frame. */
export function startsAsZstd(bytes: Buffer): boolean {
  return bytes.length >= 4 && (isFrame(bytes) || isSkippable(bytes));
}

function isFrame(bytes: Buffer): boolean {
  return bytes.readUInt32LE() === FRAME;
}

function isSkippable(bytes: Buffer): boolean {
  return (bytes.readUInt32LE() & SKIPPABLE_MASK) >>> 0 === SKIPPABLE;
}

interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(): bigint;
}

/** Unpacks one frame, after its magic number. @param hash XXH64 with seed 0 */
async function* frame(source: ByteSource, hash: Hash): AsyncGenerator<Buffer> {
  let ready: Buffer[] = [];
  const zstd = new Decompress((bytes) => {
    if (bytes.length > 0) ready.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  });
  const header = await frameHeader(source);
  zstd.push(header.bytes);
  let size = 0n;
  const unpacked = function* (bytes: Buffer, last: boolean): Generator<Buffer> {
    zstd.push(bytes, last);
    for (const chunk of ready) {
      hash.update(chunk);
      size += BigInt(chunk.length);
      yield chunk;
    }
    ready = [];
  };
  for (let last = false; !last;) {
    const start = await source.take(3);
    const bits = start.readUIntLE(0, 3);
    last = (bits & 1) === 1;
    const [type, stored] = [(bits >> 1) & 3, bits >> 3];
    if (type === 3 || stored > MAX_BLOCK_BYTES) throw new Error('a block has no valid header');
    // A block of one repeated byte stores that byte.
    yield* unpacked(Buffer.concat([start, await source.take(type === 1 ? 1 : stored)]), false);
  }
  const checksum = header.checksum ? await source.take(4) : Buffer.alloc(0);
  yield* unpacked(checksum, false);
  yield* unpacked(Buffer.alloc(0), true);
  if (header.size !== undefined && header.size !== size) throw new Error('a frame has another size than it says');
  if (header.checksum && Number(hash.digest() & 0xffffffffn) !== checksum.readUInt32LE()) {
    throw new Error('the checksum of a frame does not match');
  }
}

interface FrameHeader {
  /** The header's bytes, including the magic number. */
  readonly bytes: Buffer;
  /** Size of the unpacked content, if stored. */
  readonly size: bigint | undefined;
  /** Whether a checksum of the content follows the blocks. */
  readonly checksum: boolean;
}

async function frameHeader(source: ByteSource): Promise<FrameHeader> {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(FRAME);
  const first = await source.take(1);
  const descriptor = first.readUInt8();
  if ((descriptor & 8) !== 0) throw new Error('a frame has no valid header');
  const single = (descriptor & 0x20) !== 0;
  const windowBytes = single ? 0 : 1;
  const dictionaryBytes = DICTIONARY_BYTES[descriptor & 3] ?? 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? Number(single) : 1 << sizeFlag;
  const rest = await source.take(windowBytes + dictionaryBytes + sizeBytes);
  const dictionary = rest.subarray(windowBytes, windowBytes + dictionaryBytes);
  if (dictionary.some((byte) => byte !== 0)) throw new Error('it needs a dictionary');
  const stored = rest.subarray(windowBytes + dictionaryBytes);
  return {
    bytes: Buffer.concat([magic, first, rest]),
    size: sizeBytes === 0 ? undefined : littleEndian(stored) + (sizeBytes === 2 ? 256n : 0n),
    checksum: (descriptor & 4) !== 0,
  };
}

function littleEndian(bytes: Buffer): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Reads given numbers of bytes from chunks of any size. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Returns the next `count` bytes; undefined at the end. @throws Error when the input ends within them */
  async next(count: number): Promise<Buffer | undefined> {
    return this.#rest.length > 0 || (await this.#fill()) ? this.take(count) : undefined;
  }

  /** Returns the next `count` bytes. @throws Error when fewer are left */
  async take(count: number): Promise<Buffer> {
    while (this.#rest.length < count) if (!(await this.#fill())) throw new Error('it ends within a frame');
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const step = Math.min(left, MAX_BLOCK_BYTES);
      await this.take(step);
      left -= step;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
    return true;
  }
}
