import test from 'ava';
import fc from '../../property.js';
import { packDocuments, type Packing } from '../../../plugins/batches/documents/packing.js';
import { startsOf } from '../data/masked.js';

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 });

function piecesOf({ rows, firstPieces, starts, lengths }: Packing): { start: number; length: number }[][] {
  return Array.from({ length: rows }, (_, row) => {
    const pieces = [];
    for (let piece = firstPieces[row] ?? 0; piece < (firstPieces[row + 1] ?? 0); piece++)
      pieces.push({ start: starts[piece] ?? NaN, length: lengths[piece] ?? NaN });
    return pieces;
  });
}

/** Best-fit-decreasing as it is defined, row by row. */
function plainRows(lengths: readonly number[], rowLength: number): number[][] {
  const rows: number[][] = [];
  const room = (row: readonly number[]): number => rowLength - row.reduce((sum, length) => sum + length, 0);
  for (const length of [...lengths].sort((a, b) => b - a)) {
    const best = rows.filter((row) => room(row) >= length).sort((a, b) => room(a) - room(b))[0];
    if (best === undefined) rows.push([length]);
    else best.push(length);
  }
  return rows;
}

test('a packing contains every possible input once, in the rows of best-fit-decreasing', (t) => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 20 }), (documents, rowLength) => {
      const total = documents.reduce((sum, size) => sum + size, 0);
      const packing = packDocuments(startsOf(documents), total, rowLength);
      const rows = piecesOf(packing);
      const inputs = rows.flat().flatMap(({ start, length }) => Array.from({ length }, (_, i) => start + i));
      const lasts = new Set([...startsOf(documents)].map((start, i) => start + (documents[i] ?? 0) - 1));
      t.deepEqual(
        inputs.sort((a, b) => a - b),
        Array.from({ length: total }, (_, at) => at).filter((at) => !lasts.has(at)),
      );
      t.is(packing.inputs, inputs.length);
      // Of rows with equal room, either may be taken: how full the rows are is the same.
      const filled = (of: readonly (readonly number[])[]): number[] =>
        of.map((row) => row.reduce((sum, length) => sum + length, 0)).sort((x, y) => x - y);
      const lengths = rows.map((row) => row.map(({ length }) => length));
      t.deepEqual(filled(lengths), filled(plainRows(lengths.flat(), rowLength)));
    }),
    { numRuns: 200 },
  );
});

test('many documents are packed with little padding', (t) => {
  let seed = 1;
  const lengths = Array.from({ length: 200_000 }, () => 2 + ((seed = (seed * 48271) % 2147483647) % 3000));
  const packing = packDocuments(
    startsOf(lengths),
    lengths.reduce((sum, length) => sum + length, 0),
    1024,
  );
  t.true(packing.inputs / (packing.rows * 1024) > 0.99);
});
