import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type FileMetaData,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { messageOf, UsageError } from '../errors.js';
import type { Input } from './inputs.js';

/** Unpacked bytes of a column that are read at a time. */
const SLICE_BYTES = 1 << 22;

export interface RowSlice {
  readonly file: string;
  /** Rows `from` to `to`, without the last. */
  readonly from: number;
  readonly to: number;
  /** Bytes of the file that the slice stands for, for progress. */
  readonly bytes: number;
}

/**
 * The rows of a Parquet file, in slices of a bounded size within its row groups.
 * @throws UsageError when it is no Parquet file, or has no column of text with that name
 */
export async function rowSlices({ file, name, size }: Input, field: string): Promise<RowSlice[]> {
  if (file === null) {
    throw new UsageError(
      'ESP_PREPARE_PARQUET',
      'Parquet is read from files, not from standard input: its index is at its end',
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

/** Reads one column's values of some rows; in a worker, which keeps the metadata of its files. */
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
    compressors,
    parsers: strictText,
  });
  return rows.map((row): unknown => row[field]);
}

const known = new Map<string, FileMetaData>();
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const strictText = { stringFromBytes: (bytes: Uint8Array): string => utf8.decode(bytes) };

async function metadataOf(file: string, name: string): Promise<FileMetaData> {
  try {
    return await parquetMetadataAsync(await asyncBufferFromFile(file));
  } catch (thrown) {
    throw new UsageError('ESP_PREPARE_PARQUET', `${name} cannot be read as Parquet: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function refuseColumn(metadata: FileMetaData, field: string, name: string): void {
  const columns = parquetSchema(metadata).children.map(({ element }) => element);
  const column = columns.find((element) => element.name === field);
  if (column?.type === 'BYTE_ARRAY') return;
  const what =
    column === undefined
      ? `has no column ${field}`
      : `has no text in column ${field}: it is ${column.type ?? 'nested'}`;
  const there = columns.map((element) => element.name).join(', ');
  throw new UsageError('ESP_PREPARE_PARQUET', `${name} ${what}; its columns are ${there}: name one with --field`);
}
