import { fstatSync, readSync } from 'node:fs';

/** Bytes of a record's length and of each checksum. */
const LENGTH_BYTES = 8;
const CRC_BYTES = 4;
const MASK_DELTA = 0xa282ead8;

/**
 * Makes a TFRecord: `u64le length | masked crc32c of the length | data | masked crc32c of the data`
 * (tensorflow/core/lib/io/record_writer.h).
 */
export function record(data: Uint8Array): Buffer {
  const out = Buffer.alloc(LENGTH_BYTES + CRC_BYTES + data.length + CRC_BYTES);
  out.writeBigUInt64LE(BigInt(data.length));
  out.writeUInt32LE(masked(crc32c(out.subarray(0, LENGTH_BYTES))), LENGTH_BYTES);
  out.set(data, LENGTH_BYTES + CRC_BYTES);
  out.writeUInt32LE(masked(crc32c(data)), out.length - CRC_BYTES);
  return out;
}

/** A record's data, and its position in the file. */
export interface FoundRecord {
  readonly data: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Yields the records of an open file; stops at a partial or damaged one. */
export function* records(descriptor: number): Generator<FoundRecord, void> {
  const { size } = fstatSync(descriptor);
  const read = (start: number, end: number): Buffer => {
    const bytes = Buffer.alloc(end - start);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, start));
  };
  for (let start = 0; start + LENGTH_BYTES + CRC_BYTES <= size;) {
    const from = start + LENGTH_BYTES + CRC_BYTES;
    const header = read(start, from);
    if (header.readUInt32LE(LENGTH_BYTES) !== masked(crc32c(header.subarray(0, LENGTH_BYTES)))) return;
    const end = from + Number(header.readBigUInt64LE()) + CRC_BYTES;
    if (end > size) return;
    const body = read(from, end);
    const data = body.subarray(0, -CRC_BYTES);
    if (body.readUInt32LE(data.length) !== masked(crc32c(data))) return;
    yield { data, start, end };
    start = end;
  }
}

/** The Castagnoli polynomial, bit-reversed. */
const POLYNOMIAL = 0x82f63b78;
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ ((remainder & 1) * POLYNOMIAL);
  return remainder;
});

/** Computes the CRC-32C (RFC 3720, appendix B.4). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Masks a checksum as TFRecord does, since the CRC of data that contains CRCs is weak. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
