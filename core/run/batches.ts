import type { Batch, BatchShape, BatchSource, Rows, Split } from '../contracts/data.js';
import type { Model } from '../contracts/model.js';
import type { Ranks } from '../contracts/ranks.js';
import { EspalierError } from '../errors.js';

/** This rank's rows of the next micro-batch. @param shape of one rank's micro-batch */
export async function nextOfRank(source: BatchSource, ranks: Ranks, shape: BatchShape): Promise<Batch> {
  const rows = rowsOfRank(ranks, shape);
  return taken(await source.next(ofAll(ranks, shape), rows), rows, ranks);
}

/** This rank's rows of an evaluation batch. @param shape of one rank's batch */
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

/**
 * A wrong id would be another token's row on one engine and memory that is nobody's on another.
 * @param from what it is and who gave it
 * @throws EspalierError saying what is wrong with it
 */
export function checkBatch(
  { inputs, targets, batchSize, blockSize }: Batch,
  { blockSize: longest, vocabSize }: Pick<Model, 'blockSize' | 'vocabSize'>,
  from: () => string,
): void {
  const refuse = (what: string, todo: string): never => {
    throw new EspalierError('ESP_BATCH', `${from()}: ${what}; ${todo}`);
  };
  const size = batchSize * blockSize;
  for (const [name, ids, least] of [['inputs', inputs, 0] as const, ['targets', targets, -1] as const]) {
    if (!(ids instanceof Int32Array) || ids.length !== size) {
      const got = ids instanceof Int32Array ? `${String(ids.length)} ids` : 'no Int32Array';
      refuse(
        `its ${name} are ${got}, for ${String(batchSize)} windows of ${String(blockSize)}`,
        `give an Int32Array of ${String(size)}`,
      );
    }
    const at = firstOutside(ids, least, vocabSize);
    if (at >= 0) {
      const place = `row ${String(Math.floor(at / blockSize))}, position ${String(at % blockSize)}`;
      refuse(
        `its ${name} have the id ${String(ids[at])} at ${place}`,
        `ids are from ${String(least)} to ${String(vocabSize - 1)}, the model's last`,
      );
    }
  }
  if (blockSize > longest) {
    refuse(`its windows are ${String(blockSize)} long`, `the model takes at most ${String(longest)}`);
  }
}

/** Number of a batch's targets that are not -1. */
export function countedTargets({ targets }: Pick<Batch, 'targets'>): number {
  let count = 0;
  for (let at = 0; at < targets.length; at++) if (targets[at] !== -1) count++;
  return count;
}

function ofAll({ size }: Ranks, { batchSize, blockSize }: BatchShape): BatchShape {
  return { batchSize: size * batchSize, blockSize };
}

/** The rows, of a strategy that gave them alone or the whole batch. */
function taken(batch: Batch, { first, count }: Rows, { size }: Ranks): Batch {
  const { batchSize, blockSize } = batch;
  if (batchSize === count) return batch;
  if (batchSize !== size * count) {
    throw new EspalierError(
      'ESP_BATCH',
      `the batch strategy gave ${String(batchSize)} windows, asked for ${String(count)} of ${String(size * count)}`,
    );
  }
  const part = (tokens: Int32Array): Int32Array => tokens.slice(first * blockSize, (first + count) * blockSize);
  return { inputs: part(batch.inputs), targets: part(batch.targets), batchSize: count, blockSize };
}

/** Of every id that is trained on: a plain loop takes about 2 ns for each. */
function firstOutside(ids: Int32Array, least: number, end: number): number {
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at] ?? 0;
    if (id < least || id >= end) return at;
  }
  return -1;
}
