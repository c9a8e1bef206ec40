import type { Batch, TokenReader } from '../../../core/index.js';
import { readTargets } from '../windows/windows.js';
import type { Packing } from './packing.js';

/**
 * Reads rows of a packing into arrays of [rows, block]. The rest of a row is padding, which counts as a document of its
 * own and has no targets.
 */
export function readRows(
  reader: TokenReader,
  packing: Packing,
  rows: ArrayLike<number>,
  { inputs, targets, documents, blockSize }: Required<Pick<Batch, 'inputs' | 'targets' | 'documents' | 'blockSize'>>,
): void {
  for (let place = 0; place < rows.length; place++) {
    const row = rows[place] ?? 0;
    const [first = 0, next = 0] = packing.firstPieces.subarray(row, row + 2);
    const end = (place + 1) * blockSize;
    let at = place * blockSize;
    for (let piece = first; piece < next; piece++) {
      const [start = 0, length = 0] = [packing.starts[piece], packing.lengths[piece]];
      reader.read(start, length, inputs, at);
      readTargets(reader, start + 1, length, targets, at);
      documents.fill(piece - first, at, at + length);
      at += length;
    }
    inputs.fill(0, at, end);
    targets.fill(-1, at, end);
    documents.fill(next - first, at, end);
  }
}
