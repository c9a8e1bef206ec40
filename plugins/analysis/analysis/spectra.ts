import { Matrix as Dense, SingularValueDecomposition } from 'ml-matrix';
import type { Matrix } from '../../models/contract.js';
import { meanRowCosine } from './kernels/cosine.js';
import { smallerGram } from './kernels/gram.js';

/** Share of the sum of squared singular values. */
const ENERGY = 0.98;

const VALUES_ALONE = { computeLeftSingularVectors: false, computeRightSingularVectors: false };

/**
 * The fewest singular values that hold 98 % of the energy (the sum of squares of all), as a share of how many there
 * are: 1 where every direction is used alike. The squares are the singular values of the smaller of W Wᵀ and Wᵀ W,
 * which is less work: their error is about 1e-16 of the largest, far less than what decides where 98 % are.
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
 * Turns (and mirrors) `before` as a whole so that it fits `now` best, and compares row by row.
 * Source: Schönemann, "A generalized solution of the orthogonal Procrustes problem", 1966.
 * @param before @param now [rows, width], of the same tokens
 * @returns the mean cosine similarity: 1 where nothing moved but all together
 */
export function alignedSimilarity(before: Matrix, now: Matrix): number {
  const [a, b] = [before, now].map(({ rows, columns, values }) => Dense.from1DArray(rows, columns, values));
  if (a === undefined || b === undefined) throw new Error('there are two matrices');
  const svd = new SingularValueDecomposition(a.transpose().mmul(b), { autoTranspose: true });
  const turned = a.mmul(svd.leftSingularVectors.mmul(svd.rightSingularVectors.transpose()));
  return meanRowCosine(Float64Array.from(turned.to1DArray()), now.values, now.columns);
}
