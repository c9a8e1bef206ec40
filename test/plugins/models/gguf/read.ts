import { readFileSync } from 'node:fs';

export interface ReadTensor {
  /** Row-major, with the last dimension contiguous. */
  readonly shape: readonly number[];
  readonly type: number;
  /** Offset of the data in the file. */
  readonly start: number;
  readonly bytes: Buffer;
}
export interface ReadGguf {
  readonly metadata: ReadonlyMap<string, { readonly type: number; readonly value: unknown }>;
  readonly tensors: ReadonlyMap<string, ReadTensor>;
}

const TYPE_BYTES: Readonly<Record<number, number>> = { 0: 4, 1: 2 };
const ALIGNMENT = 32;
const ARRAY = 9;

/**
 * Reads a GGUF file (version 3) of float32 and half-precision tensors, by ggml's docs/gguf.md alone, without our code.
 */
export function readGguf(path: string): ReadGguf {
  const file = readFileSync(path);
  let at = 0;
  const uint32 = (): number => file.readUInt32LE((at += 4) - 4);
  const uint64 = (): number => Number(file.readBigUInt64LE((at += 8) - 8));
  const string = (): string => {
    const length = uint64();
    return file.toString('utf8', at, (at += length));
  };
  const value = (type: number): unknown => {
    switch (type) {
      case 4:
        return uint32();
      case 5:
        return file.readInt32LE((at += 4) - 4);
      case 6:
        return file.readFloatLE((at += 4) - 4);
      case 7:
        return file.readUInt8(at++) === 1;
      case 8:
        return string();
      case ARRAY: {
        const of = uint32();
        return { of, items: Array.from({ length: uint64() }, () => value(of)) };
      }
      default:
        throw new Error(`a value of type ${String(type)} at byte ${String(at)}`);
    }
  };
  if (file.toString('latin1', 0, (at += 4)) !== 'GGUF' || uint32() !== 3) throw new Error('no GGUF file of version 3');
  const [tensorCount, valueCount] = [uint64(), uint64()];
  const metadata = new Map<string, { type: number; value: unknown }>();
  for (let i = 0; i < valueCount; i++) {
    const key = string();
    const type = uint32();
    metadata.set(key, { type, value: value(type) });
  }
  const infos = Array.from({ length: tensorCount }, () => {
    const name = string();
    const shape = Array.from({ length: uint32() }, uint64).reverse();
    return { name, shape, type: uint32(), offset: uint64() };
  });
  const data = Math.ceil(at / ALIGNMENT) * ALIGNMENT;
  const tensors = infos.map(({ name, shape, type, offset }): [string, ReadTensor] => {
    const start = data + offset;
    const size = shape.reduce((product, n) => product * n, 1) * (TYPE_BYTES[type] ?? NaN);
    if (start + size > file.length) throw new Error(`${name} ends behind the file`);
    return [name, { shape, type, start, bytes: file.subarray(start, start + size) }];
  });
  return { metadata, tensors: new Map(tensors) };
}
