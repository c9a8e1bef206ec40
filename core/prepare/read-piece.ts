import { isUtf8 } from 'node:buffer';
import { messageOf } from '../errors.js';
import type { Piece } from './jobs.js';
import { readRows } from './parquet.js';

/** What is wrong with a piece of the input, and where in the piece. */
export class BadPiece extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly at: { readonly byte?: number; readonly line?: number; readonly row?: number },
  ) {
    super(message);
  }
}

/** The texts of a piece: one of a text, one for each record otherwise. */
export interface Texts {
  readonly texts: readonly string[];
  /** Bytes of text, for throughput. */
  readonly bytes: number;
  /** Lines of the piece. */
  readonly lines: number;
}

/** @throws BadPiece */
export async function readPiece(piece: Piece): Promise<Texts> {
  if (piece.kind === 'parquet') return parquetTexts(piece);
  const { bytes } = piece;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(text)) throw notUtf8(text);
  if (piece.kind === 'text') return { texts: [text.toString('utf8')], bytes: bytes.length, lines: 0 };
  const lines = text.toString('utf8').split('\n');
  const texts: string[] = [];
  lines.forEach((line, index) => {
    if (line.trim() !== '') texts.push(textOfLine(line, piece.field, index));
  });
  return { texts, bytes: bytes.length, lines: lines.length - 1 };
}

function textOfLine(line: string, field: string, index: number): string {
  let record: unknown;
  try {
    // A byte order mark may stand before the first line.
    record = JSON.parse(line.startsWith('\ufeff') ? line.slice(1) : line);
  } catch (thrown) {
    throw new BadPiece('ESP_PREPARE_JSON', `is not JSON: ${messageOf(thrown)}; each line must be one record`, {
      line: index,
    });
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new BadPiece('ESP_PREPARE_JSON', 'is no record: each line must be a JSON object', { line: index });
  }
  const value: unknown = Reflect.get(record, field);
  if (typeof value === 'string') return value;
  const what =
    value === undefined ? `has no field ${field}` : `has no text in its field ${field}: it is ${kindOf(value)}`;
  const there = Object.keys(record).join(', ');
  throw new BadPiece('ESP_PREPARE_JSON', `${what}; its fields are ${there}: name one with --field`, { line: index });
}

async function parquetTexts(piece: Extract<Piece, { kind: 'parquet' }>): Promise<Texts> {
  let values: unknown[];
  try {
    values = await readRows(piece, piece.field);
  } catch (thrown) {
    throw new BadPiece('ESP_PREPARE_PARQUET', `cannot be read: ${messageOf(thrown)}`, { row: 0 });
  }
  let bytes = 0;
  const texts = values.map((value, row) => {
    if (typeof value !== 'string') {
      throw new BadPiece('ESP_PREPARE_PARQUET', `has no text in column ${piece.field}: it is ${kindOf(value)}`, {
        row,
      });
    }
    bytes += Buffer.byteLength(value);
    return value;
  });
  return { texts, bytes, lines: 0 };
}

function notUtf8(bytes: Buffer): BadPiece {
  const byte = firstInvalid(bytes);
  const shown = `0x${(bytes[byte] ?? 0).toString(16).padStart(2, '0')}`;
  return new BadPiece('ESP_PREPARE_UTF8', `is not UTF-8 (${shown}); convert it first, for example with iconv`, {
    byte,
  });
}

/** Index of the first byte of the first sequence that is not UTF-8. */
function firstInvalid(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    try {
      if (decoder.decode(bytes.subarray(at, at + 1), { stream: true }) !== '') start = at + 1;
    } catch {
      return start;
    }
  }
  return start;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}
