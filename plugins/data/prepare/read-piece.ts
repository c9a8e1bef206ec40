import { isUtf8 } from 'node:buffer';
import { messageOf } from '../../../core/index.js';
import { CONVERT_ADVICE, firstInvalid, shownByte } from '../../files/contract.js';
import { ChatError, type ChatFormat, type ChatPart } from '../chat/format.js';
import { messagesOf } from '../chat/messages.js';
import type { ChatTemplate } from '../chat/template.js';
import type { Piece } from './jobs.js';
import { notUtf8, readRows } from './parquet.js';

/** Thrown for invalid input, with the position in the piece. */
export class BadPiece extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly at: { readonly byte?: number; readonly line?: number; readonly row?: number },
  ) {
    super(message);
  }
}

/** The texts of a piece: one for a text file, otherwise one per record. */
export interface Texts {
  readonly texts: readonly string[];
  /** For conversations: the pieces of each text. */
  readonly parts?: readonly (readonly ChatPart[])[];
  /** Bytes of text, for throughput. */
  readonly bytes: number;
  /** Number of lines in the piece, or of records if they were not one per line. */
  readonly lines: number;
}

type JsonPiece = Extract<Piece, { kind: 'jsonl' }>;

/** Reads the texts of a piece. @throws BadPiece */
export async function readPiece(piece: Piece): Promise<Texts> {
  if (piece.kind === 'parquet') return parquetTexts(piece);
  const { bytes } = piece;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(text)) throw badText(text);
  if (piece.kind === 'text') {
    return { texts: [text.toString('utf8')], bytes: bytes.length, lines: 0 };
  }
  const lines = text.toString('utf8').split('\n');
  const records: { readonly record: object; readonly at: number }[] = [];
  lines.forEach((line, index) => {
    const at = piece.layout === 'lines' ? index : records.length;
    if (line.trim() !== '') records.push({ record: recordOf(line, piece, at), at });
  });
  const whole = { bytes: bytes.length, lines: piece.layout === 'lines' ? lines.length - 1 : records.length };
  if (piece.chat === undefined)
    return { ...whole, texts: records.map(({ record, at }) => textOfRecord(record, piece.field, at)) };
  const template = await templateOf(piece.chat);
  const parts = records.map(({ record, at }) => partsOfRecord(record, template, at));
  return { ...whole, texts: parts.map((each) => each.map(({ text }) => text).join('')), parts };
}

let made: { readonly text: string; readonly template: ChatTemplate } | undefined;

/** Returns the template; parses it once for all pieces. */
async function templateOf(chat: ChatFormat): Promise<ChatTemplate> {
  if (made?.text !== chat.template) {
    const { ChatTemplate } = await import('../chat/template.js');
    made = { text: chat.template, template: new ChatTemplate(chat) };
  }
  return made.template;
}

function partsOfRecord(record: object, template: ChatTemplate, line: number): ChatPart[] {
  try {
    return template.parts(messagesOf(record));
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    throw new BadPiece('ESP_PREPARE_CHAT', thrown.message, { line });
  }
}

function recordOf(line: string, { field, layout, chat }: JsonPiece, index: number): object {
  let record: unknown;
  const bad = (what: string): BadPiece => new BadPiece('ESP_PREPARE_JSON', what, { line: index });
  try {
    // A byte order mark may come from joining files.
    record = JSON.parse(line.startsWith('\ufeff') ? line.slice(1) : line);
  } catch (thrown) {
    const must = layout === 'lines' ? 'each line must be one record, or the file an array of records' : 'correct it';
    const plain = chat === undefined ? '; --format text takes the file as plain text' : '';
    throw bad(`is not JSON: ${messageOf(thrown)}; ${must}${plain}`);
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    const advice =
      typeof record === 'string' ? `; \`jq -c '.[] | {${field}: .}'\` makes such objects of an array of texts` : '';
    const within = chat === undefined ? `its text in the field ${field}${advice}` : 'a list messages';
    throw bad(`is ${kindOf(record)}: each record must be a JSON object, with ${within}`);
  }
  return record;
}

function textOfRecord(record: object, field: string, line: number): string {
  const value: unknown = Reflect.get(record, field);
  // Replace lone surrogates, as UTF-8 does, so that they cannot pair up with a neighbour.
  if (typeof value === 'string') return value.toWellFormed();
  const what =
    value === undefined ? `has no field ${field}` : `has no text in its field ${field}: it is ${kindOf(value)}`;
  const bad = (what: string): BadPiece => new BadPiece('ESP_PREPARE_JSON', what, { line });
  throw bad(`${what}; its fields are ${Object.keys(record).join(', ')}: give one with --field${listAdvice(record)}`);
}

/** Returns advice for records that are nested in a list. */
function listAdvice(record: object): string {
  const list = Object.entries(record).find(([, value]) => Array.isArray(value) && typeof value[0] === 'object');
  if (list === undefined) return '';
  return `; if its list ${list[0]} holds the records, \`jq -c '.${list[0]}[]' FILE > NEW.jsonl\` makes JSONL of it`;
}

async function parquetTexts(piece: Extract<Piece, { kind: 'parquet' }>): Promise<Texts> {
  let values: unknown[];
  try {
    values = await readRows(piece, piece.field);
  } catch (thrown) {
    const rows = `rows ${String(piece.from + 1)} to ${String(piece.to)}`;
    const advice = 'it is damaged: fetch or write it again';
    throw new BadPiece('ESP_PREPARE_PARQUET', `${rows} cannot be read: ${messageOf(thrown)}; ${advice}`, {});
  }
  let bytes = 0;
  const texts = values.map((value, row) => {
    if (value === notUtf8) {
      throw new BadPiece('ESP_PREPARE_UTF8', `has text in column ${piece.field} that is not UTF-8: correct it`, {
        row,
      });
    }
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

function badText(bytes: Buffer): BadPiece {
  const byte = firstInvalid(bytes);
  return new BadPiece('ESP_PREPARE_UTF8', `is not UTF-8 (${shownByte(bytes, byte)}): ${CONVERT_ADVICE}`, { byte });
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}
