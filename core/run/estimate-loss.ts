import { tf } from '../tf.js';
import type { Batch, BatchShape, BatchSource, Split, TokenReader } from '../contracts/data.js';
import type { Engine } from '../contracts/engine.js';
import type { Model } from '../contracts/model.js';
import { oneRank, type Ranks } from '../contracts/ranks.js';
import { evaluationOfRank, rowsOfRank } from '../data/rank-rows.js';
import { windowsAt, windowsIn } from '../data/windows.js';
import { RepeatedPasses } from './repeated-passes.js';

export interface LossOptions {
  /** Asked before each batch of an estimate. */
  readonly stop?: () => boolean;
  /** Among which rows or windows are divided: the mean over ranks of what each gets is the loss. */
  readonly ranks?: Ranks;
  /** That repeats the kernels of a batch for those after it, if it can. */
  readonly engine?: Pick<Engine, 'record'>;
}

/**
 * Mean loss in nats over `iters` evaluation batches of a split, dropout off; NaN when it was stopped.
 * @param shape of one rank's batches
 */
export function estimateLoss(
  model: Model,
  batches: BatchSource,
  split: Split,
  iters: number,
  shape: BatchShape,
  { stop = () => false, ranks = oneRank, engine = {} }: LossOptions = {},
): number {
  const passes = new RepeatedPasses(engine, model);
  let sum = 0;
  for (let index = 0; index < iters; index++) {
    if (stop()) return NaN;
    sum += batchLoss(passes, evaluationOfRank(batches, ranks, split, index, shape));
  }
  return sum / iters;
}

/** Mean loss in nats over all of a split, in windows side by side; what is left at the end is not counted. */
export function fullLoss(
  model: Model,
  reader: TokenReader,
  shape: BatchShape,
  { ranks = oneRank, engine = {} }: Omit<LossOptions, 'stop'> = {},
): number {
  const passes = new RepeatedPasses(engine, model);
  const { batchSize, blockSize } = shape;
  const windows = windowsIn(reader, blockSize);
  let sum = 0;
  for (let { first } = rowsOfRank(ranks, shape); first < windows; first += ranks.size * batchSize) {
    const rows = Math.min(batchSize, windows - first);
    const starts = Array.from({ length: rows }, (_, row) => (first + row) * blockSize);
    sum += rows * batchLoss(passes, windowsAt(reader, starts, { batchSize: rows, blockSize }));
  }
  return (sum * ranks.size) / windows;
}

function batchLoss(passes: RepeatedPasses, batch: Batch): number {
  return tf.tidy(() => {
    const [loss] = passes.run(batch, (ids, targets) => [passes.model.loss(ids, targets)]);
    return loss?.dataSync()[0] ?? NaN;
  });
}
