import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type FileMetaData,
  type SchemaElement,
} from 'hyparquet';
import { messageOf, UsageError } from '../../../core/index.js';
import { fileKind, KIND_BYTES, type FileKind } from '../../files/contract.js';
import type { Input } from './inputs.js';
import { codecs } from './parquet-codecs.js';

/** Unpacked bytes of a column to read at a time. */
const SLICE_BYTES = 1 << 22;

export interface RowSlice {
  readonly file: string;
  /** Rows `from` to `to`, excluding `to`. */
  readonly from: number;
  readonly to: number;
  /** The slice's share of the file in bytes, for progress. */
  readonly bytes: number;
}

/**
 * Divides the rows of a Parquet file into slices of bounded size within its row groups.
 * @throws UsageError when it is not a Parquet file, or has no text column of that name
 */
export async function rowSlices({ file, name, size, once }: Input, field: string): Promise<RowSlice[]> {
  if (file === null || once === true) {
    throw new UsageError(
      'ESP_PREPARE_PARQUET',
      `${name}: Parquet is read from files, not from standard input or a pipe: its index is at its end`,
    );
  }
  const metadata = await metadataOf(file, name);
  refuseColumn(metadata, field, name);
  const slices: RowSlice[] = [];
  let start = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const column = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === field)?.meta_data;
    const unpacked = Number(column?.total_uncompressed_size ?? 0);
    const step = Math.max(1, Math.ceil(rows / Math.max(1, Math.ceil(unpacked / SLICE_BYTES))));
    const share = (size ?? 0) / Math.max(1, Number(metadata.num_rows));
    for (let from = 0; from < rows; from += step) {
      const to = Math.min(rows, from + step);
      slices.push({ file, from: start + from, to: start + to, bytes: (to - from) * share });
    }
    start += rows;
  }
  return slices;
}

/** Stands for a value that is not UTF-8. */
export const notUtf8 = Symbol('not UTF-8');

/**
 * Reads a column's values of some rows: texts, `notUtf8` or null. Caches the metadata of files.
 */
export async function readRows({ file, from, to }: Omit<RowSlice, 'bytes'>, field: string): Promise<unknown[]> {
  const metadata = known.get(file) ?? (await metadataOf(file, file));
  known.set(file, metadata);
  const buffer = await asyncBufferFromFile(file);
  const range = { rowStart: from, rowEnd: to };
  const rows = await parquetReadObjects({
    file: buffer,
    metadata,
    columns: [field],
    ...range,
    compressors: codecs,
    parsers: { stringFromBytes: textOrBad, jsonFromBytes: textOrBad },
  });
  return rows.map((row): unknown => row[field]);
}

const known = new Map<string, FileMetaData>();
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOrBad(bytes: Uint8Array): string | typeof notUtf8 {
  try {
    return utf8.decode(bytes);
  } catch {
    return notUtf8;
  }
}

async function metadataOf(file: string, name: string): Promise<FileMetaData> {
  try {
    return await parquetMetadataAsync(await asyncBufferFromFile(file));
  } catch (thrown) {
    const kind = await kindOf(file);
    const what = kind === undefined ? messageOf(thrown) : `it is ${kind.what}: ${kind.advice}`;
    throw new UsageError('ESP_PREPARE_PARQUET', `${name} cannot be read as Parquet: ${what}`, { cause: thrown });
  }
}

/** Returns what the file is instead; undefined for a damaged Parquet file or an unknown kind. */
async function kindOf(file: string): Promise<FileKind | undefined> {
  try {
    const buffer = await asyncBufferFromFile(file);
    const kind = fileKind(new Uint8Array(await buffer.slice(0, KIND_BYTES)));
    return kind?.what === 'Parquet' ? undefined : kind;
  } catch {
    return undefined;
  }
}

function refuseColumn(metadata: FileMetaData, field: string, name: string): void {
  const columns = parquetSchema(metadata).children.map(({ element }) => element);
  const column = columns.find((element) => element.name === field);
  if (column?.type === 'BYTE_ARRAY' && isText(column)) return;
  const what =
    column === undefined
      ? `has no column ${field}`
      : `has no text in column ${field}: it is ${column.logical_type?.type ?? column.converted_type ?? column.type ?? 'nested'}`;
  const there = columns.map((element) => element.name).join(', ');
  throw new UsageError('ESP_PREPARE_PARQUET', `${name} ${what}; its columns are ${there}: give one with --field`);
}

/** Returns whether a column of bytes contains text; columns without a type usually do. */
function isText({ converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  const [type] = [logical?.type, converted].filter((each) => each !== undefined);
  return type === undefined || ['STRING', 'UTF8', 'JSON', 'ENUM'].includes(type);
}
