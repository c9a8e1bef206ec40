/** Bytes of a record beside its data: length, its checksum, and the data's. */
const LENGTH_BYTES = 8;
const CRC_BYTES = 4;
const MASK_DELTA = 0xa282ead8;

/**
 * A TFRecord: `u64le length | masked crc32c of it | data | masked crc32c of the data`
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

/** A record's data, and where the record lies. */
export interface FoundRecord {
  readonly data: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The whole records at the start of a file; what follows the last one (half a record, or damage) is left out. */
export function records(file: Buffer): FoundRecord[] {
  const found: FoundRecord[] = [];
  for (let start = 0; start + LENGTH_BYTES + CRC_BYTES <= file.length;) {
    const length = Number(file.readBigUInt64LE(start));
    const from = start + LENGTH_BYTES + CRC_BYTES;
    const end = from + length + CRC_BYTES;
    if (end > file.length) break;
    const data = file.subarray(from, from + length);
    const isWhole =
      file.readUInt32LE(start + LENGTH_BYTES) === masked(crc32c(file.subarray(start, start + LENGTH_BYTES))) &&
      file.readUInt32LE(end - CRC_BYTES) === masked(crc32c(data));
    if (!isWhole) break;
    found.push({ data, start, end });
    start = end;
  }
  return found;
}

/** Castagnoli's polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78;
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ ((remainder & 1) * POLYNOMIAL);
  return remainder;
});

/** CRC-32C (RFC 3720, appendix B.4). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

/** As TFRecord stores it: a checksum of data that holds its own checksum would be a poor one. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
