import type { Batch, TokenReader } from '../../../core/index.js';
import type { Packing } from '../documents/packing.js';
import { readRows } from '../documents/rows.js';
import { readWindows, windowsAt } from './windows.js';

/** Arrays to read a batch into, [rows, block] each. */
export type BatchArrays = Pick<Batch, 'inputs' | 'targets' | 'documents' | 'blockSize'>;

/** Reads rows by number: start positions of windows, or rows of a packing. */
export function readInto(
  reader: TokenReader,
  packing: Packing | undefined,
  numbers: ArrayLike<number>,
  { documents, ...into }: BatchArrays,
): void {
  if (packing === undefined || documents === undefined) readWindows(reader, numbers, into);
  else readRows(reader, packing, numbers, { ...into, documents });
}

/** Reads rows by number into a new batch. */
export function readBatch(
  reader: TokenReader,
  packing: Packing | undefined,
  numbers: readonly number[],
  blockSize: number,
): Batch {
  const shape = { batchSize: numbers.length, blockSize };
  if (packing === undefined) return windowsAt(reader, numbers, shape);
  const empty = (): Int32Array => new Int32Array(numbers.length * blockSize);
  const batch = { ...shape, inputs: empty(), targets: empty(), documents: empty() };
  readRows(reader, packing, numbers, batch);
  return batch;
}
