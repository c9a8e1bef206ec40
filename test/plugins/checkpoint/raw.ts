import { writeFileSync } from 'node:fs';

/** A tensor of any data type of the format, as its bytes. */
export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Writes a safetensors file of any data types, which the package's own writer does not. */
export function writeRaw(file: string, tensors: ReadonlyMap<string, RawTensor>): void {
  let at = 0;
  const entries = [...tensors].map(([name, { dtype, shape, bytes }]) => [
    name,
    { dtype, shape, data_offsets: [at, (at += bytes.length)] },
  ]);
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(file, Buffer.concat([length, header, ...[...tensors.values()].map(({ bytes }) => bytes)]));
}
