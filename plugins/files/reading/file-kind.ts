/** A kind of file that is not UTF-8 text, recognised by its first bytes. */
export interface FileKind {
  /** Includes an article if it needs one: `a zip archive`. */
  readonly what: string;
  /** How to get text from it, as an imperative clause. */
  readonly advice: string;
}

/** Number of bytes at the start of a file that `fileKind` needs. */
export const KIND_BYTES = 264;

interface Magic extends FileKind {
  readonly bytes: Buffer;
  readonly at?: number;
  /** One of these must follow at that position: the magic number alone may also be text. */
  readonly then?: { readonly at: number; readonly any: readonly Buffer[] };
}

const UNPACK = 'unpack it first, and give the text in it';
const CONVERT = 'save its text as UTF-8, and give that';
const RECORDS = 'convert it to Parquet or JSONL';

const magics: readonly Magic[] = [
  { bytes: hex('1f8b'), what: 'gzip', advice: 'unpack it first with `gunzip`' },
  { bytes: hex('28b52ffd'), what: 'zstd', advice: 'unpack it first with `zstd -d`' },
  {
    bytes: ascii('BZh'),
    what: 'bzip2',
    advice: 'unpack it first with `bunzip2`, or pack it with gzip or zstd instead',
  },
  {
    bytes: hex('fd377a585a00'),
    what: 'xz',
    advice: 'unpack it first with `unxz`, or pack it with gzip or zstd instead',
  },
  { bytes: hex('4c5a495001'), what: 'lzip', advice: 'unpack it first with `lzip -d`' },
  { bytes: hex('04224d18'), what: 'LZ4', advice: 'unpack it first with `unlz4`' },
  { bytes: hex('1f9d'), what: 'compress (.Z)', advice: 'unpack it first with `uncompress`' },
  { bytes: hex('504b0304'), what: 'a zip archive (.zip, .docx, .xlsx, .epub, …)', advice: UNPACK },
  { bytes: hex('504b0506'), what: 'an empty zip archive', advice: UNPACK },
  { bytes: hex('377abcaf271c'), what: 'a 7z archive', advice: UNPACK },
  { bytes: hex('526172211a07'), what: 'a RAR archive', advice: UNPACK },
  {
    bytes: ascii('ustar'),
    at: 257,
    what: 'a tar archive',
    advice: 'unpack it first with `tar -xf`, and give its files',
  },
  { bytes: ascii('%PDF-'), what: 'a PDF', advice: 'extract its text first, for example with `pdftotext`' },
  { bytes: ascii('{\\rtf'), what: 'RTF', advice: CONVERT },
  { bytes: hex('d0cf11e0a1b11ae1'), what: 'an old Office document (.doc, .xls, .ppt)', advice: CONVERT },
  { bytes: ascii('PAR1'), what: 'Parquet', advice: 'name it .parquet, or pass --format parquet to `espalier prepare`' },
  { bytes: ascii('ARROW1'), what: 'Arrow (Feather)', advice: RECORDS },
  { bytes: hex('ffffffff'), what: 'an Arrow stream', advice: RECORDS },
  { bytes: ascii('Obj\x01'), what: 'Avro', advice: RECORDS },
  { bytes: ascii('SQLite format 3\0'), what: 'an SQLite database', advice: RECORDS },
  { bytes: hex('894844460d0a1a0a'), what: 'HDF5', advice: RECORDS },
  { bytes: hex('934e554d5059'), what: 'a NumPy array', advice: RECORDS },
  { bytes: hex('89504e470d0a1a0a'), what: 'a PNG image', advice: 'give a text' },
  { bytes: hex('ffd8ff'), what: 'a JPEG image', advice: 'give a text' },
  { bytes: hex('7f454c46'), what: 'a program (ELF)', advice: 'give a text' },
];

/**
 * Recognises a file that is not UTF-8 text; undefined for text and unknown files.
 * @param start its first `KIND_BYTES` bytes, or all
 */
export function fileKind(start: Uint8Array): FileKind | undefined {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const wide = wideText(bytes);
  if (wide !== undefined) {
    return {
      what: wide,
      advice: `save it as UTF-8, or convert it with \`iconv -f ${wide} -t UTF-8\``,
    };
  }
  const has = (at: number, expected: Buffer): boolean => bytes.subarray(at, at + expected.length).equals(expected);
  return magics.find(
    ({ bytes: magic, at = 0, then }) => has(at, magic) && (then?.any.some((each) => has(then.at, each)) ?? true),
  );
}

/** Returns the name of the UTF-16 or UTF-32 encoding, with or without a byte order mark; undefined for others. */
function wideText(bytes: Buffer): string | undefined {
  const startsWith = (mark: Buffer): boolean => bytes.subarray(0, mark.length).equals(mark);
  if (startsWith(hex('fffe0000')) || startsWith(hex('0000feff'))) return 'UTF-32';
  if (startsWith(hex('fffe')) || startsWith(hex('feff'))) return 'UTF-16';
  // ASCII text in UTF-16: every second byte is 0.
  if (bytes.length < 8) return undefined;
  const pairs = bytes.subarray(0, Math.min(bytes.length & ~1, 64));
  const zerosAt = (odd: number): number => pairs.filter((byte, at) => at % 2 === odd && byte === 0).length;
  if (zerosAt(1) === pairs.length / 2 && zerosAt(0) === 0) return 'UTF-16LE';
  if (zerosAt(0) === pairs.length / 2 && zerosAt(1) === 0) return 'UTF-16BE';
  return undefined;
}

function hex(digits: string): Buffer {
  return Buffer.from(digits, 'hex');
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
