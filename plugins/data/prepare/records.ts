const [QUOTE, BACKSLASH, COMMA, NEWLINE, RETURN, SPACE] = [0x22, 0x5c, 0x2c, 0x0a, 0x0d, 0x20];
const [OPEN_LIST, CLOSE_LIST, OPEN_RECORD, CLOSE_RECORD] = [0x5b, 0x5d, 0x7b, 0x7d];

/** How JSON records are laid out: one per line, as items of an array, or printed over several lines each. */
export type RecordLayout = 'lines' | 'array' | 'printed';

/** Recognises the layout of a file's records. @param start of the file, without a byte order mark */
export function recordLayout(start: Uint8Array): RecordLayout {
  const at = start.findIndex((byte) => byte > SPACE);
  if (start[at] === OPEN_LIST) return 'array';
  if (start[at] !== OPEN_RECORD) return 'lines';
  // Pretty-printers break the line after the first brace.
  const next = start.subarray(at + 1).find((byte) => byte > SPACE || byte === NEWLINE);
  return next === NEWLINE ? 'printed' : 'lines';
}

/**
 * Returns whether the first line is a JSON record with text in `field`.
 * @param start of a file, without a byte order mark
 */
export function startsWithRecord(start: Buffer, field: string): boolean {
  if (start[0] !== OPEN_RECORD) return false;
  const end = start.indexOf(NEWLINE);
  try {
    const record: unknown = JSON.parse(start.toString('utf8', 0, end === -1 ? start.length : end));
    return typeof record === 'object' && record !== null && typeof Reflect.get(record, field) === 'string';
  } catch {
    return false;
  }
}

/**
 * Rewrites an array of records, or records printed over several lines, to one record per line, without changing the
 * length.
 * @throws Error when the array is cut off, or has no valid start or end
 */
export async function* recordLines(
  chunks: AsyncIterable<Buffer>,
  layout: Exclude<RecordLayout, 'lines'>,
): AsyncGenerator<Buffer> {
  const lines = new RecordLines(layout === 'array');
  for await (const chunk of chunks) yield lines.rewritten(chunk);
  lines.end();
}

/** Replaces white space, and the array's brackets and commas, byte by byte. */
class RecordLines {
  /** Number of open lists and records, including the array. */
  #depth = 0;
  #inText = false;
  #escaped = false;

  constructor(private readonly array: boolean) {}

  rewritten(chunk: Buffer): Buffer {
    const bytes = Buffer.from(chunk);
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (this.#inText) this.#text(byte);
      else if (byte === QUOTE) this.#inText = true;
      else bytes[at] = this.#structure(byte);
    }
    return bytes;
  }

  end(): void {
    if (this.#depth > 0) throw new Error(`it ends within ${this.array ? 'the array' : 'a record'}: it is cut off`);
  }

  #text(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inText = false;
  }

  /** Returns the replacement for a byte outside strings. */
  #structure(byte: number): number {
    const item = this.array ? 1 : 0;
    if (byte === NEWLINE || byte === RETURN) return this.#depth > 0 ? SPACE : NEWLINE;
    if (byte === OPEN_LIST || byte === OPEN_RECORD) {
      if (this.array && this.#depth === 0) {
        if (byte !== OPEN_LIST) throw new Error('a record is outside the array');
        byte = SPACE;
      }
      this.#depth++;
    } else if (byte === CLOSE_LIST || byte === CLOSE_RECORD) {
      if (this.#depth === 0 || (this.#depth === item && byte !== CLOSE_LIST))
        throw new Error('its brackets do not match');
      this.#depth--;
      if (this.#depth < item) byte = NEWLINE;
    } else if (this.#depth < item && byte > SPACE) {
      throw new Error('there is more after the end of the array');
    } else if (byte === COMMA && this.array && this.#depth === item) {
      byte = NEWLINE;
    }
    return byte;
  }
}
