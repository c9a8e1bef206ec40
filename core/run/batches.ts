import type { Batch, BatchShape, Rows } from '../contracts/data.js';
import type { Ranks } from '../contracts/ranks.js';
import { EspalierError } from '../errors.js';

/** A rank's part of the batches of all ranks. */
export interface RankShare {
  /** Shape of a batch of all ranks. */
  readonly whole: BatchShape;
  readonly rows: Rows;
  /** Takes this rank's rows from a batch that is either whole or already just these rows. */
  readonly take: (batch: Batch) => Batch;
}

/** Rank r has row r · batch to row (r + 1) · batch - 1. @param shape of one rank's batch */
export function shareOfRank({ rank, size }: Ranks, { batchSize, blockSize }: BatchShape): RankShare {
  const rows = { first: rank * batchSize, count: batchSize };
  return { whole: { batchSize: size * batchSize, blockSize }, rows, take: (batch) => taken(batch, rows, size) };
}

function taken(batch: Batch, { first, count }: Rows, size: number): Batch {
  const { batchSize, blockSize } = batch;
  if (batchSize === count) return batch;
  if (batchSize !== size * count) {
    throw new EspalierError(
      'ESP_BATCH',
      `the batch strategy gave ${String(batchSize)} windows instead of ${String(count)} or ${String(size * count)}`,
    );
  }
  const own = [first * blockSize, (first + count) * blockSize] as const;
  const { inputs, targets, weights, documents, fields } = batch;
  const part: Batch = { inputs: inputs.slice(...own), targets: targets.slice(...own), batchSize: count, blockSize };
  if (weights !== undefined) part.weights = weights.slice(...own);
  if (documents !== undefined) part.documents = documents.slice(...own);
  if (fields !== undefined) {
    part.fields = Object.fromEntries(Object.entries(fields).map(([name, values]) => [name, values.slice(...own)]));
  }
  return part;
}
