import * as tf from '@tensorflow/tfjs-core';
import type { Batch, BatchShape, BatchSource, Split, TokenReader } from '../contracts/data.js';
import type { Model } from '../contracts/model.js';
import { oneRank, type Ranks } from '../contracts/ranks.js';
import { evaluationOfRank, rowsOfRank } from '../data/rank-rows.js';
import { windowsAt, windowsIn } from '../data/windows.js';

/**
 * Mean loss in nats over `iters` evaluation batches of a split, dropout off; NaN when it was stopped.
 * @param shape of one rank's batches
 * @param stop asked before each batch
 * @param ranks among which the rows of each batch are divided: the mean over ranks of what each gets is the loss
 */
export function estimateLoss(
  model: Model,
  batches: BatchSource,
  split: Split,
  iters: number,
  shape: BatchShape,
  stop: () => boolean = () => false,
  ranks: Ranks = oneRank,
): number {
  let sum = 0;
  for (let index = 0; index < iters; index++) {
    if (stop()) return NaN;
    sum += batchLoss(model, evaluationOfRank(batches, ranks, split, index, shape));
  }
  return sum / iters;
}

/**
 * Mean loss in nats over all of a split, in windows side by side; what is left at the end is not counted.
 * @param ranks among which the windows are divided: the mean over ranks of what each gets is the loss
 */
export function fullLoss(model: Model, reader: TokenReader, shape: BatchShape, ranks: Ranks = oneRank): number {
  const { batchSize, blockSize } = shape;
  const windows = windowsIn(reader, blockSize);
  let sum = 0;
  for (let { first } = rowsOfRank(ranks, shape); first < windows; first += ranks.size * batchSize) {
    const rows = Math.min(batchSize, windows - first);
    const starts = Array.from({ length: rows }, (_, row) => (first + row) * blockSize);
    sum += rows * batchLoss(model, windowsAt(reader, starts, { batchSize: rows, blockSize }));
  }
  return (sum * ranks.size) / windows;
}

function batchLoss(model: Model, batch: Batch): number {
  return tf.tidy(() => {
    const shape: [number, number] = [batch.batchSize, batch.blockSize];
    const loss = model.loss(tf.tensor2d(batch.inputs, shape, 'int32'), tf.tensor2d(batch.targets, shape, 'int32'));
    return loss.dataSync()[0] ?? NaN;
  });
}
