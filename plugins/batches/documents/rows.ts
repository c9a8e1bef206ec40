import type { Batch, TokenReader } from '../../../core/index.js';
import { readTargets } from '../windows/windows.js';
import type { Packing } from './packing.js';

/** The batch of these rows of a packing. What is left of a row is padding: a document of its own, of which nothing is learned. */
export function readRows(reader: TokenReader, packing: Packing, rows: readonly number[], blockSize: number): Batch {
  const size = rows.length * blockSize;
  const inputs = new Int32Array(size);
  const targets = new Int32Array(size).fill(-1);
  const documents = new Int32Array(size);
  for (const [place, row] of rows.entries()) {
    const [first = 0, end = 0] = packing.firstPieces.subarray(row, row + 2);
    let at = place * blockSize;
    for (let piece = first; piece < end; piece++) {
      const [start = 0, length = 0] = [packing.starts[piece], packing.lengths[piece]];
      reader.read(start, length, inputs, at);
      readTargets(reader, start + 1, length, targets, at);
      documents.fill(piece - first, at, at + length);
      at += length;
    }
    documents.fill(end - first, at, (place + 1) * blockSize);
  }
  return { inputs, targets, documents, batchSize: rows.length, blockSize };
}
