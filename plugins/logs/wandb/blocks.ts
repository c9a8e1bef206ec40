import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** ":W&B", 0xBEE1 in little-endian order, version 0. Part of the first block. */
export const FILE_HEADER: Uint8Array = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0x00);

const BLOCK_BYTES = 32768;
/** Chunk header, little-endian: CRC of type and data (u32), length of the data (u16), type (u8). */
const CHUNK_HEADER_BYTES = 7;
const TYPE_AT = 6;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

/**
 * Encodes a record in LevelDB's log format, which W&B's run files use: split at blocks of 32,768 bytes, each piece with
 * a plain CRC-32 of its type and data.
 * @param position where in the file the bytes will be written
 */
export function framed(record: Uint8Array, position: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let at = position;
  let taken = 0;
  let begun = false;
  do {
    let room = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (room < CHUNK_HEADER_BYTES) {
      pieces.push(new Uint8Array(room));
      at += room;
      room = BLOCK_BYTES;
    }
    const length = Math.min(record.length - taken, room - CHUNK_HEADER_BYTES);
    const last = taken + length === record.length;
    const piece = Buffer.alloc(CHUNK_HEADER_BYTES + length);
    piece[TYPE_AT] = begun ? (last ? LAST : MIDDLE) : last ? FULL : FIRST;
    // If a block has room only for the header, the first piece is empty.
    begun = true;
    piece.writeUInt16LE(length, 4);
    piece.set(record.subarray(taken, taken + length), CHUNK_HEADER_BYTES);
    piece.writeUInt32LE(crc32(piece.subarray(TYPE_AT)), 0);
    pieces.push(piece);
    at += piece.length;
    taken += length;
  } while (taken < record.length);
  return Buffer.concat(pieces);
}

/** A record and its position in the file. */
export interface StoredRecord {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Yields the records from a position on, up to the end of the file or an incomplete record: a killed process may have
 * left one, and a running one may still be writing it.
 */
export function* readRecords(descriptor: number, from: number): Generator<StoredRecord, void> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let blockAt = -1;
  let filled = 0;
  let parts: Uint8Array[] = [];
  let start = from;
  let at = from;
  for (;;) {
    const offset = at % BLOCK_BYTES;
    if (BLOCK_BYTES - offset < CHUNK_HEADER_BYTES) {
      at += BLOCK_BYTES - offset;
      continue;
    }
    if (blockAt !== at - offset) {
      blockAt = at - offset;
      filled = readSync(descriptor, block, 0, BLOCK_BYTES, blockAt);
    }
    if (offset + CHUNK_HEADER_BYTES > filled) return;
    const end = offset + CHUNK_HEADER_BYTES + block.readUInt16LE(offset + 4);
    if (end > filled) return;
    const checked = block.subarray(offset + TYPE_AT, end);
    const type = checked[0] ?? 0;
    if (block.readUInt32LE(offset) !== crc32(checked)) return;
    const begins = type === FULL || type === FIRST;
    if (begins) start = at;
    if (begins !== (parts.length === 0) || type < FULL || type > LAST) return;
    parts.push(Uint8Array.from(checked.subarray(1)));
    at += end - offset;
    if (type === FIRST || type === MIDDLE) continue;
    yield { bytes: Buffer.concat(parts), start, end: at };
    parts = [];
  }
}
