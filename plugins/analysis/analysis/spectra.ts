import { Matrix as Dense, SingularValueDecomposition } from 'ml-matrix';
import type { Matrix } from '../../models/contract.js';
import { meanRowCosine } from './kernels/cosine.js';
import { smallerGram } from './kernels/gram.js';

/** Share of the energy, the sum of squared singular values. */
const ENERGY = 0.98;

const VALUES_ALONE = { computeLeftSingularVectors: false, computeRightSingularVectors: false };

/**
 * Returns the smallest share of the singular values that holds 98 % of the energy (the sum of their squares); near 1 if
 * all directions are used alike. The squares are computed as singular values of the smaller of W Wᵀ and Wᵀ W, which is
 * less work; their error, about 1e-16 of the largest, is too small to move the 98 % mark.
 * @returns undefined for a matrix of zeros
 */
export function rankUtilisation({ rows, columns, values }: Matrix): number | undefined {
  const size = Math.min(rows, columns);
  const gram = Dense.from1DArray(size, size, smallerGram(values, rows, columns));
  const squares = new SingularValueDecomposition(gram, VALUES_ALONE).diagonal;
  const total = squares.reduce((sum, square) => sum + square, 0);
  if (!(total > 0)) return undefined;
  let held = 0;
  const last = squares.findIndex((square) => (held += square) >= ENERGY * total);
  return (last + 1) / squares.length;
}

/**
 * Rotates (and mirrors) `before` as a whole to fit `now` best, then compares row by row.
 * Source: Schönemann, "A generalized solution of the orthogonal Procrustes problem", 1966.
 * @param before @param now [rows, width], rows of the same tokens
 * @returns the mean cosine similarity: 1 if all rows moved together
 */
export function alignedSimilarity(before: Matrix, now: Matrix): number {
  const [a, b] = [before, now].map(({ rows, columns, values }) => Dense.from1DArray(rows, columns, values));
  if (a === undefined || b === undefined) throw new Error('there are two matrices');
  const svd = new SingularValueDecomposition(a.transpose().mmul(b), { autoTranspose: true });
  const turned = a.mmul(svd.leftSingularVectors.mmul(svd.rightSingularVectors.transpose()));
  return meanRowCosine(Float64Array.from(turned.to1DArray()), now.values, now.columns);
}
