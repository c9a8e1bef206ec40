import type { Batch, BatchShape, BatchSource, Rows, Split } from '../contracts/data.js';
import type { Ranks } from '../contracts/ranks.js';
import { EspalierError } from '../errors.js';

/** Returns this rank's rows of the next micro-batch. @param shape of one rank's micro-batch */
export async function nextOfRank(source: BatchSource, ranks: Ranks, shape: BatchShape): Promise<Batch> {
  const rows = rowsOfRank(ranks, shape);
  return taken(await source.next(ofAll(ranks, shape), rows), rows, ranks);
}

/** Returns this rank's rows of an evaluation batch. @param shape of one rank's batch */
export function evaluationOfRank(
  source: BatchSource,
  ranks: Ranks,
  split: Split,
  index: number,
  shape: BatchShape,
): Batch {
  const rows = rowsOfRank(ranks, shape);
  return taken(source.evaluation(split, index, ofAll(ranks, shape), rows), rows, ranks);
}

/** Rank r has row r · batch to row (r + 1) · batch - 1 of the batch of all ranks. */
export function rowsOfRank({ rank }: Ranks, { batchSize }: BatchShape): Rows {
  return { first: rank * batchSize, count: batchSize };
}

function ofAll({ size }: Ranks, { batchSize, blockSize }: BatchShape): BatchShape {
  return { batchSize: size * batchSize, blockSize };
}

/** Takes the rows from a batch that is either whole or already just these rows. */
function taken(batch: Batch, { first, count }: Rows, { size }: Ranks): Batch {
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
