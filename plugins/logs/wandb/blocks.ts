import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** ":W&B", 0xBEE1 in little-endian order, version 0. It is part of the first block. */
export const FILE_HEADER: Uint8Array = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0x00);

const BLOCK_BYTES = 32768;
/** CRC of what follows (u32), length of the data (u16), type (u8); little-endian. */
const CHUNK_HEADER_BYTES = 7;
const TYPE_AT = 6;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

/**
 * A record in LevelDB's log format, as W&B's run files have it: cut where blocks of 32,768 bytes end, each piece with
 * a plain CRC-32 of its type and data.
 * @param position in the file, where the bytes will stand
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
    // Where a block has room for no more than the header, the first piece is empty.
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

/** A record with where it stands in the file. */
export interface StoredRecord {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * The whole records from a position on, up to the end or to what is not whole: a process that was killed may leave
 * half of one, and one that runs is about to write the rest.
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
