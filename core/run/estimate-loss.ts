import { setImmediate as nextTurn } from 'node:timers/promises';
import { tf } from '../tf.js';
import type { Batch, BatchShape, BatchSource, Split, TokenReader } from '../contracts/data.js';
import type { Engine } from '../contracts/engine.js';
import type { Model } from '../contracts/model.js';
import { oneRank, type Ranks } from '../contracts/ranks.js';
import { evaluationOfRank, rowsOfRank } from '../data/rank-rows.js';
import { windowsAt, windowsIn } from '../data/windows.js';
import { checkBatch } from './checks.js';
import { RepeatedPasses } from './repeated-passes.js';
import { useEngine } from './use-engine.js';

export interface LossOptions {
  /** What the model computes on. */
  readonly engine: Engine;
  /** Asked before each batch: signals that came since the one before have been heard. */
  readonly stop?: () => boolean;
  /** Called after each batch, of how many. */
  readonly onBatch?: (done: number, of: number) => void | Promise<void>;
  /** Among which rows or windows are divided: the mean over ranks of what each gets is the loss. */
  readonly ranks?: Ranks;
}

/**
 * Mean loss in nats over `iters` evaluation batches of a split, dropout off; NaN when it was stopped.
 * @param shape of one rank's batches
 */
export async function estimateLoss(
  model: Model,
  batches: BatchSource,
  split: Split,
  iters: number,
  shape: BatchShape,
  options: LossOptions,
): Promise<number> {
  const { ranks = oneRank } = options;
  const sum = await sumOver(model, iters, options, (index) => {
    const batch = evaluationOfRank(batches, ranks, split, index, shape);
    checkBatch(batch, model, () => `evaluation batch ${String(index)} of ${split} that the batch strategy gave`);
    return { batch, weight: 1 };
  });
  return sum / iters;
}

/**
 * Mean loss in nats over all of a split, in windows side by side; what is left at the end is not counted. NaN when it
 * was stopped.
 */
export async function fullLoss(
  model: Model,
  reader: TokenReader,
  shape: BatchShape,
  options: LossOptions,
): Promise<number> {
  const { ranks = oneRank } = options;
  const { batchSize, blockSize } = shape;
  const windows = windowsIn(reader, blockSize);
  const ownFirst = rowsOfRank(ranks, shape).first;
  const step = ranks.size * batchSize;
  const count = Math.max(0, Math.ceil((windows - ownFirst) / step));
  const sum = await sumOver(model, count, options, (index) => {
    const first = ownFirst + index * step;
    const rows = Math.min(batchSize, windows - first);
    const starts = Array.from({ length: rows }, (_, row) => (first + row) * blockSize);
    return { batch: windowsAt(reader, starts, { batchSize: rows, blockSize }), weight: rows };
  });
  return (sum * ranks.size) / windows;
}

/** The weighted sum of the losses of so many batches; NaN when it was stopped. */
async function sumOver(
  model: Model,
  count: number,
  { engine, stop = () => false, onBatch }: LossOptions,
  nth: (index: number) => { readonly batch: Batch; readonly weight: number },
): Promise<number> {
  const passes = new RepeatedPasses(engine, model);
  let sum = 0;
  for (let index = 0; index < count; index++) {
    // Signals are let in, and whatever else goes on in this process, on another engine perhaps.
    await nextTurn();
    if (stop()) return NaN;
    useEngine(engine);
    const { batch, weight } = nth(index);
    sum += weight * batchLoss(passes, batch);
    await onBatch?.(index + 1, count);
  }
  return sum;
}

function batchLoss(passes: RepeatedPasses, batch: Batch): number {
  return tf.tidy(() => {
    const [loss] = passes.run(batch, (ids, targets) => [passes.model.loss(ids, targets)]);
    return loss?.dataSync()[0] ?? NaN;
  });
}
