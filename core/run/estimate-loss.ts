import * as tf from '@tensorflow/tfjs-core';
import type { Batch, BatchShape, BatchSource, Split, TokenReader } from '../contracts/data.js';
import type { Model } from '../contracts/model.js';
import { windowsAt } from '../data/windows.js';

/** Mean loss in nats over `iters` evaluation batches of a split, dropout off. `stop` is asked before each batch. */
export function estimateLoss(
  model: Model,
  batches: BatchSource,
  split: Split,
  iters: number,
  shape: BatchShape,
  stop: () => boolean = () => false,
): number {
  let sum = 0;
  let count = 0;
  while (count < iters && !(count > 0 && stop())) {
    sum += batchLoss(model, batches.evaluation(split, count, shape));
    count++;
  }
  return sum / count;
}

/** Mean loss in nats over all of a split, in windows side by side; what is left at the end is not counted. */
export function fullLoss(model: Model, reader: TokenReader, { batchSize, blockSize }: BatchShape): number {
  const windows = Math.floor((reader.length - 1) / blockSize);
  let sum = 0;
  for (let first = 0; first < windows; first += batchSize) {
    const rows = Math.min(batchSize, windows - first);
    const starts = Array.from({ length: rows }, (_, row) => (first + row) * blockSize);
    sum += rows * batchLoss(model, windowsAt(reader, starts, { batchSize: rows, blockSize }));
  }
  return sum / windows;
}

function batchLoss(model: Model, batch: Batch): number {
  return tf.tidy(() => {
    const shape: [number, number] = [batch.batchSize, batch.blockSize];
    const loss = model.loss(tf.tensor2d(batch.inputs, shape, 'int32'), tf.tensor2d(batch.targets, shape, 'int32'));
    return loss.dataSync()[0] ?? NaN;
  });
}
