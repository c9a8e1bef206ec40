import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors, decompressLz4Raw } from 'hyparquet-compressors';

/** Codecs to unpack Parquet pages. @throws Error when the result has another size than the page says */
export const codecs: Compressors = Object.fromEntries(
  Object.entries({
    ...compressors,
    // Node.js's own implementations verify checksums.
    GZIP: (input: Uint8Array) => gunzipSync(input),
    BROTLI: (input: Uint8Array) => brotliDecompressSync(input),
    LZ4: unpackLz4,
  }).map(([name, unpack]) => [name, sized(name, unpack)]),
);

type Unpack = (input: Uint8Array, length: number) => Uint8Array;

function sized(name: string, unpack: Unpack): Unpack {
  return (input, length) => {
    const unpacked = unpack(input, length);
    if (unpacked.length === length) return unpacked;
    throw new Error(`a page unpacked with ${name} has ${String(unpacked.length)} bytes instead of ${String(length)}`);
  };
}

/**
 * Unpacks the codec `LZ4`: blocks of Hadoop and Arrow, each after its two sizes, or the single block without sizes that
 * fastparquet writes.
 */
function unpackLz4(input: Uint8Array, length: number): Uint8Array {
  const blocks = hadoopBlocks(input, length);
  if (blocks === undefined) return decompressLz4Raw(input, length);
  const unpacked = new Uint8Array(length);
  let at = 0;
  for (const { bytes, size } of blocks) {
    unpacked.set(decompressLz4Raw(bytes, size), at);
    at += size;
  }
  return unpacked;
}

/** Splits into blocks of Hadoop's layout; undefined unless their sizes add up to the page's. */
function hadoopBlocks(input: Uint8Array, length: number): { bytes: Uint8Array; size: number }[] | undefined {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const blocks: { bytes: Uint8Array; size: number }[] = [];
  let [at, total] = [0, 0];
  while (at + 8 <= input.length) {
    const [size, packed] = [view.getUint32(at), view.getUint32(at + 4)];
    at += 8;
    if (packed > input.length - at || size > length - total) return undefined;
    blocks.push({ bytes: input.subarray(at, at + packed), size });
    at += packed;
    total += size;
  }
  return at === input.length && total === length ? blocks : undefined;
}
