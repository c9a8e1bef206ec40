import { open, type FileHandle } from 'node:fs/promises';
import type { StoredTensor } from '../contracts/checkpoint-store.js';
import { UsageError } from '../errors.js';
import { parseHeader, type HeaderEntry } from './safetensors-header.js';

const LENGTH_BYTES = 8;
const WRITE_CHUNK_BYTES = 1 << 24;
const ALIGNMENT = 8;

/**
 * Reads every tensor of a safetensors file of F32 and I32 tensors, in file order.
 * Source of the format: https://github.com/huggingface/safetensors (README, "Format").
 * @throws UsageError naming the file when it is not there or not a sound safetensors file
 */
export async function readSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  const file = await openToRead(path);
  try {
    const { size } = await file.stat();
    const start = await readHeaderLength(file, size, path);
    const header = (await readBytes(file, LENGTH_BYTES, start - LENGTH_BYTES, path)).toString('utf8');
    const tensors = new Map<string, StoredTensor>();
    for (const entry of parseHeader(header, size - start, path)) {
      tensors.set(entry.name, await readTensor(file, start, entry, path));
    }
    return tensors;
  } finally {
    await file.close();
  }
}

/**
 * Writes tensors (Float32Array as F32, Int32Array as I32) to a safetensors file, flushed to disk.
 * The tensors are copied piece by piece: no copy of the whole file is held.
 * @param metadata strings kept in the header as `__metadata__`
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Record<string, string>,
): Promise<void> {
  const header = makeHeader(tensors, metadata);
  const file = await open(path, 'w');
  try {
    await writeAll(file, header);
    for (const { values } of tensors.values()) {
      await writeAll(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function makeHeader(tensors: ReadonlyMap<string, StoredTensor>, metadata?: Record<string, string>): Buffer {
  // Text, not an object: a tensor may have any name, `__proto__` and numbers too, and keeps its place.
  const entries: string[] = [];
  if (metadata !== undefined) entries.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const [name, { shape, values }] of tensors) {
    if (name === '__metadata__') throw new RangeError('a tensor cannot be named __metadata__');
    const size = shape.reduce((product, n) => product * n, 1);
    if (size !== values.length) {
      throw new RangeError(`tensor ${name}: shape [${shape.join(', ')}] does not hold ${values.length} values`);
    }
    const dtype = values instanceof Float32Array ? 'F32' : 'I32';
    const end = offset + values.byteLength;
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const json = Buffer.from(`{${entries.join(',')}}`, 'utf8');
  const padded = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(LENGTH_BYTES + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, LENGTH_BYTES);
  return header;
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new UsageError('ESP_SAFETENSORS', `${path}: cannot be opened; check that the file is there`, { cause });
  }
}

/** Where the tensor data starts. */
async function readHeaderLength(file: FileHandle, size: number, path: string): Promise<number> {
  if (size < LENGTH_BYTES) {
    throw new UsageError('ESP_SAFETENSORS', `${path}: ${size} bytes are too few for a safetensors file`);
  }
  const length = (await readBytes(file, 0, LENGTH_BYTES, path)).readBigUInt64LE(0);
  if (length > BigInt(size - LENGTH_BYTES)) {
    throw new UsageError(
      'ESP_SAFETENSORS',
      `${path}: its header says ${length.toString()} bytes, the file has ${size}: cut short, or not a safetensors file`,
    );
  }
  return LENGTH_BYTES + Number(length);
}

async function readTensor(file: FileHandle, start: number, entry: HeaderEntry, path: string): Promise<StoredTensor> {
  // Its own buffer, so that the four-byte view is aligned.
  const { buffer } = await readBytes(file, start + entry.begin, entry.end - entry.begin, path);
  return { shape: entry.shape, values: entry.dtype === 'F32' ? new Float32Array(buffer) : new Int32Array(buffer) };
}

async function readBytes(file: FileHandle, at: number, length: number, path: string): Promise<Buffer<ArrayBuffer>> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw new UsageError('ESP_SAFETENSORS', `${path}: it ends at byte ${at + done}: cut short`);
    done += bytesRead;
  }
  return bytes;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(WRITE_CHUNK_BYTES, bytes.length - done));
    done += bytesWritten;
  }
}
