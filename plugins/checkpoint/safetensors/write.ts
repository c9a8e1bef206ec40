import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { flushFile } from '../../files/contract.js';
import type { StoredTensor } from '../../../core/index.js';

/** Bytes of the number at the start of the file: the length of the header. */
export const LENGTH_BYTES = 8;
const WRITE_CHUNK_BYTES = 1 << 24;
const ALIGNMENT = 8;

/**
 * Writes tensors (Float32Array as F32, Int32Array as I32) to a safetensors file and flushes it to disk. Writes in
 * pieces, so the whole file is never held in memory.
 * @param metadata strings to store in the header as `__metadata__`
 * @returns size and SHA-256 of the bytes written
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Record<string, string>,
): Promise<{ bytes: number; sha256: string }> {
  const header = makeHeader(tensors, metadata);
  const hash = createHash('sha256').update(header);
  let bytes = header.length;
  const file = await open(path, 'w');
  try {
    await writeAll(file, header);
    for (const { values } of tensors.values()) {
      const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      await writeAll(file, content);
      hash.update(content);
      bytes += content.length;
    }
    await flushFile(file);
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

function makeHeader(tensors: ReadonlyMap<string, StoredTensor>, metadata?: Record<string, string>): Buffer {
  // Built as text, since an object would reorder or lose tensors with names such as `0` or `__proto__`.
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

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(WRITE_CHUNK_BYTES, bytes.length - done));
    done += bytesWritten;
  }
}
