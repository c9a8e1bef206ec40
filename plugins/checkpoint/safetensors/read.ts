import { open, type FileHandle } from 'node:fs/promises';
import { UsageError } from '../../../core/errors.js';
import type { StoredTensor } from '../../../core/index.js';
import { MAX_HEADER_BYTES, parseHeader, type HeaderEntry } from './header.js';
import { LENGTH_BYTES } from './write.js';
import { widen } from './halves.js';

/**
 * Reads the tensors of a safetensors file, in file order. F16 and BF16 become float32; F64 is rounded to it. Never
 * takes more memory than the size of the file (twice that for halves), whatever its header says. Source of the format:
 * https://github.com/huggingface/safetensors (README, "Format").
 * @param wanted returns false for tensors to skip
 * @param memory allocates a buffer of at least the given bytes for a tensor's elements
 * @throws UsageError naming the file when it is missing, damaged or not a safetensors file
 */
export async function readSafetensors(
  path: string,
  wanted: (name: string) => boolean = () => true,
  memory: Memory = plainMemory,
): Promise<Map<string, StoredTensor>> {
  return withHeader(path, async (file, entries, start) => {
    const tensors = new Map<string, StoredTensor>();
    for (const entry of entries) {
      if (wanted(entry.name)) tensors.set(entry.name, await readTensor(file, start, entry, { path, memory }));
    }
    return tensors;
  });
}

/** Reads and checks only the header of a safetensors file. @throws UsageError as `readSafetensors` does */
export async function readSafetensorsHeader(path: string): Promise<HeaderEntry[]> {
  return withHeader(path, (_file, entries) => Promise.resolve(entries));
}

async function withHeader<T>(
  path: string,
  work: (file: FileHandle, entries: HeaderEntry[], start: number) => Promise<T>,
): Promise<T> {
  const file = await openToRead(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new UsageError('ESP_SAFETENSORS', `${path} is not a file`);
    const start = await readHeaderLength(file, stat.size, path);
    const header = (await readBytes(file, LENGTH_BYTES, start - LENGTH_BYTES, path)).toString('utf8');
    return await work(file, parseHeader(header, stat.size - start, path), start);
  } finally {
    await file.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new UsageError('ESP_SAFETENSORS', `${path}: cannot be opened; check that the file exists`, { cause });
  }
}

/** Returns the byte at which the tensor data starts. */
async function readHeaderLength(file: FileHandle, size: number, path: string): Promise<number> {
  if (size < LENGTH_BYTES) {
    throw new UsageError('ESP_SAFETENSORS', `${path}: ${size} bytes are too few for a safetensors file`);
  }
  const length = (await readBytes(file, 0, LENGTH_BYTES, path)).readBigUInt64LE(0);
  if (length > MAX_HEADER_BYTES) {
    throw new UsageError(
      'ESP_SAFETENSORS',
      `${path}: its header claims to be ${length.toString()} bytes long, more than any valid header`,
    );
  }
  if (length > BigInt(size - LENGTH_BYTES)) {
    throw new UsageError(
      'ESP_SAFETENSORS',
      `${path}: its header claims to be ${length.toString()} bytes long, but the file has ${size}: it is cut short, or not a safetensors file`,
    );
  }
  return LENGTH_BYTES + Number(length);
}

type Memory = (bytes: number) => ArrayBuffer;

function plainMemory(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes);
}

async function readTensor(
  file: FileHandle,
  start: number,
  { shape, dtype, name, begin, end }: HeaderEntry,
  { path, memory }: { readonly path: string; readonly memory: Memory },
): Promise<StoredTensor> {
  // Each tensor gets its own buffer, which aligns the four-byte view.
  const read = (from: Memory): Promise<Buffer<ArrayBuffer>> => readBytes(file, start + begin, end - begin, path, from);
  const length = (end - begin) / 4;
  if (dtype === 'F32') return { shape, values: new Float32Array((await read(memory)).buffer, 0, length) };
  if (dtype === 'I32') return { shape, values: new Int32Array((await read(memory)).buffer, 0, length) };
  const { buffer } = await read(plainMemory);
  if (dtype === 'F16' || dtype === 'BF16') return { shape, values: widen(new Uint16Array(buffer), dtype) };
  if (dtype === 'F64') return { shape, values: rounded(new Float64Array(buffer), `${path}: tensor ${name}`) };
  throw new UsageError(
    'ESP_SAFETENSORS',
    `${path}: tensor ${name} has data type ${dtype}; only F32, F16, BF16, F64 and I32 are read`,
  );
}

function rounded(doubles: Float64Array, what: string): Float32Array {
  const values = Float32Array.from(doubles);
  const lost = values.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(doubles[i]));
  if (lost < 0) return values;
  throw new UsageError('ESP_SAFETENSORS', `${what} has ${String(doubles[lost])}, which is beyond float32`);
}

async function readBytes(
  file: FileHandle,
  at: number,
  length: number,
  path: string,
  memory = plainMemory,
): Promise<Buffer<ArrayBuffer>> {
  const bytes = Buffer.from(memory(length), 0, length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0)
      throw new UsageError('ESP_SAFETENSORS', `${path}: the file is cut short: it ends at byte ${at + done}`);
    done += bytesRead;
  }
  return bytes;
}
