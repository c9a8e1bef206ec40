import { z } from 'zod';
import { UsageError } from '../../../core/errors.js';

/** Bytes per value of the format's data types. */
const BYTES = {
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  F64: 8,
  I64: 8,
  U64: 8,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  C64: 8,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
};
type Dtype = keyof typeof BYTES;

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;
const MAX_RANK = 8;

/** One tensor in the header; `begin` and `end` count bytes from the start of the data. */
export interface HeaderEntry {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

const size = z.int().min(0);
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(size).max(MAX_RANK),
  data_offsets: z.tuple([size, size]),
});

/**
 * Parses and checks a safetensors header: data types, sizes, and ranges that fill the data without gaps or overlaps.
 * @param text the header as JSON
 * @param dataBytes bytes of data after the header
 * @param path of the file, for messages
 * @returns the tensors in the order of their data
 * @throws UsageError naming file and tensor
 */
export function parseHeader(text: string, dataBytes: number, path: string): HeaderEntry[] {
  const fail = (what: string): never => {
    throw new UsageError('ESP_SAFETENSORS', `${path}: ${what}`);
  };
  const entries = Object.entries<unknown>({ ...parseObject(text, fail) })
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => checkEntry(name, value, fail));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (end > dataBytes) fail(`tensor ${name} ends at byte ${end} of ${dataBytes}: the file is cut short`);
    if (begin < at) fail(`tensor ${name} overlaps the one before it`);
    if (begin > at) fail(`there are ${begin - at} unused bytes before tensor ${name}`);
    at = end;
  }
  if (at !== dataBytes) fail(`there are ${dataBytes - at} bytes after the last tensor`);
  return entries;
}

type Fail = (what: string) => never;

function parseObject(text: string, fail: Fail): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail('its header is not JSON: the file is damaged, or not a safetensors file');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('its header is not a JSON object');
  return value;
}

function checkEntry(name: string, value: unknown, fail: Fail): HeaderEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success)
    return fail(
      `tensor ${name} needs dtype, shape and data_offsets, whole numbers from 0, of at most ${MAX_RANK} dimensions`,
    );
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  if (!isDtype(dtype)) return fail(`tensor ${name} has the data type ${dtype}, which is not supported`);
  const [begin, end] = offsets;
  const bytes = shape.reduce((product, n) => product * n, BYTES[dtype]);
  if (end - begin !== bytes) {
    return fail(
      `tensor ${name} of shape [${shape.join(', ')}] takes ${bytes} bytes, its data_offsets say ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isDtype(dtype: string): dtype is Dtype {
  return Object.hasOwn(BYTES, dtype);
}
