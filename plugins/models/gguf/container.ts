import type { FileHandle } from 'node:fs/promises';
import { writeWhole } from '../../files/contract.js';
import { ByteWriter } from './byte-writer.js';
import { toHalf } from './half.js';

/**
 * A metadata value, with its type in the file.
 * Source: ggml's docs/gguf.md; the numbers are `gguf_metadata_value_type` and `ggml_type`.
 */
export type GgufValue =
  | { readonly type: 'uint32' | 'float32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'int32s'; readonly value: readonly number[] };

const VALUE_TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

export type GgufDtype = 'f32' | 'f16';
const TENSOR_TYPES = { f32: 0, f16: 1 } as const;
const BYTES = { f32: 4, f16: 2 } as const;

export interface GgufTensor {
  readonly name: string;
  /** Row-major, with the last dimension contiguous; the file lists dimensions in reverse. */
  readonly shape: readonly number[];
  readonly dtype: GgufDtype;
  /** Called once, when the tensor is written. */
  readonly values: () => Float32Array;
}

/** Contents of a file, in order. */
export interface GgufContent {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747;
const VERSION = 3;
const ALIGNMENT = 32;
const WRITE_CHUNK_BYTES = 1 << 24;

/**
 * Writes a GGUF file atomically. Only one tensor at a time is held in the file's format.
 * @throws RangeError if a tensor's values do not match its shape
 */
export async function writeGguf(path: string, content: GgufContent): Promise<void> {
  await writeWhole(path, async (file) => {
    await writePadded(file, headerOf(content));
    for (const { name, shape, dtype, values } of content.tensors) {
      const numbers = values();
      if (numbers.length !== sizeOf(shape))
        throw new RangeError(`tensor ${name}: shape [${shape.join(', ')}] does not hold ${numbers.length} values`);
      const { buffer, byteOffset, byteLength } = dtype === 'f16' ? toHalf(numbers) : numbers;
      await writePadded(file, new Uint8Array(buffer, byteOffset, byteLength));
    }
  });
}

function headerOf({ metadata, tensors }: GgufContent): Uint8Array {
  const header = new ByteWriter();
  header.uint32(MAGIC);
  header.uint32(VERSION);
  header.uint64(tensors.length);
  header.uint64(metadata.size);
  for (const [key, value] of metadata) {
    header.string(key);
    writeValue(header, value);
  }
  let offset = 0;
  for (const { name, shape, dtype } of tensors) {
    header.string(name);
    header.uint32(shape.length);
    for (const size of shape.toReversed()) header.uint64(size);
    header.uint32(TENSOR_TYPES[dtype]);
    header.uint64(offset);
    offset += padded(sizeOf(shape) * BYTES[dtype]);
  }
  return header.bytes();
}

function writeValue(header: ByteWriter, { type, value }: GgufValue): void {
  switch (type) {
    case 'strings':
    case 'int32s':
      header.uint32(VALUE_TYPES.array);
      header.uint32(type === 'strings' ? VALUE_TYPES.string : VALUE_TYPES.int32);
      header.uint64(value.length);
      for (const each of value) {
        if (typeof each === 'string') header.string(each);
        else header.int32(each);
      }
      return;
    default:
      header.uint32(VALUE_TYPES[type]);
      if (type === 'bool') header.uint8(Number(value));
      else if (type === 'string') header.string(value);
      else if (type === 'uint32') header.uint32(value);
      else header.float32(value);
  }
}

async function writePadded(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(WRITE_CHUNK_BYTES, bytes.length - done));
    done += bytesWritten;
  }
  const padding = padded(bytes.length) - bytes.length;
  if (padding > 0) await file.write(new Uint8Array(padding));
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Returns the number of elements of a tensor. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
