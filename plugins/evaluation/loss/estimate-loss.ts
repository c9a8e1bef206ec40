import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  tf,
  type Batch,
  type BatchShape,
  type BatchSource,
  type Split,
  type TokenReader,
  type Engine,
  type Model,
  oneRank,
  type RandomStreams,
  type Ranks,
  EspalierError,
  useEngine,
} from '../../../core/index.js';
import { PassReplay, shareOfRank } from '../../../core/runs.js';
import { randomWindows, windowsAt, windowsIn } from '../../batches/contract.js';
import { checkBatch, countedTargets, lossParts } from '../../models/contract.js';

export interface LossOptions {
  /** The engine that the model computes with. */
  readonly engine: Engine;
  /** Called before each batch, after pending signals were handled; true ends the evaluation. */
  readonly stop?: () => boolean;
  /** Called after each batch with the number done and the total. */
  readonly onBatch?: (done: number, of: number) => void | Promise<void>;
  /** Ranks that divide the rows or windows. All must call, and all get the loss over everything. */
  readonly ranks?: Ranks;
}

/**
 * Estimates the mean loss of a split, in nats, over `iters` evaluation batches with dropout off. Ignores targets of -1,
 * and applies the targets' weights.
 * @param shape of one rank's batches
 * @returns NaN if it was stopped on any rank
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
  const what = `the ${split} loss (${String(iters)} batches)`;
  const { whole, rows, take } = shareOfRank(ranks, shape);
  return meanOver(model, { what, count: iters }, options, (index) => {
    const batch = take(batches.evaluation(split, index, whole, rows));
    checkBatch(batch, model, () => `evaluation batch ${String(index)} of ${split} that the batch strategy gave`);
    return batch;
  });
}

/**
 * Estimates the mean loss of a named validation set, in nats, over `iters` batches of random windows, always the same
 * ones.
 * @param shape of one rank's batches
 */
export async function estimateSetLoss(
  model: Model,
  { name, reader, streams }: { readonly name: string; readonly reader: TokenReader; readonly streams: RandomStreams },
  iters: number,
  shape: BatchShape,
  options: LossOptions,
): Promise<number> {
  const { ranks = oneRank } = options;
  const what = `the loss of the validation set ${name} (${String(iters)} batches)`;
  const { whole, rows } = shareOfRank(ranks, shape);
  return meanOver(model, { what, count: iters }, options, (index) => {
    const random = streams.at(`evaluation/val/${name}`, index);
    const batch = randomWindows(reader, random, whole, rows);
    checkBatch(batch, model, () => `evaluation batch ${String(index)} of the validation set ${name}`);
    return batch;
  });
}

/**
 * Measures the mean loss over a whole split, in nats, in adjacent windows. An incomplete window at the end and targets
 * of -1 do not count.
 * @returns NaN if it was stopped on any rank
 */
export async function fullLoss(
  model: Model,
  reader: TokenReader,
  shape: BatchShape,
  options: LossOptions,
): Promise<number> {
  const { sum, weight } = await lossTotal(model, reader, shape, options);
  return sum / weight;
}

/**
 * Like `fullLoss`, but returns the sum of the losses and of the weights of the counted targets.
 * @param most largest number of windows to measure, from the start
 */
export async function lossTotal(
  model: Model,
  reader: TokenReader,
  shape: BatchShape,
  options: LossOptions,
  most = Infinity,
): Promise<Total & { readonly windows: number }> {
  const { ranks = oneRank } = options;
  const { batchSize, blockSize } = shape;
  const windows = Math.min(most, windowsIn(reader, blockSize));
  const { whole, rows: own } = shareOfRank(ranks, shape);
  const step = whole.batchSize;
  const count = Math.max(0, Math.ceil((windows - own.first) / step));
  const total = await totalOver(model, { what: 'the loss of a whole split', count }, options, (index) => {
    const first = own.first + index * step;
    const rows = Math.min(batchSize, windows - first);
    const starts = Array.from({ length: rows }, (_, row) => (first + row) * blockSize);
    const batch = windowsAt(reader, starts, { batchSize: rows, blockSize });
    checkBatch(
      batch,
      model,
      () => `windows ${String(first)} to ${String(first + rows - 1)} of the split being measured`,
    );
    return batch;
  });
  return { ...total, windows };
}

/** Total of all ranks; NaN if one was stopped. */
interface Total {
  /** Sum of the weighted losses of the counted targets. */
  readonly sum: number;
  /** Sum of their weights. */
  readonly weight: number;
}

/** What is measured, for errors, and the number of batches on this rank. */
interface Measured {
  readonly what: string;
  readonly count: number;
}

async function meanOver(
  model: Model,
  measured: Measured,
  options: LossOptions,
  nth: (index: number) => Batch,
): Promise<number> {
  const { sum, weight } = await totalOver(model, measured, options, nth);
  return sum / weight;
}

/**
 * Sums the losses over `count` batches of this rank and those of the other ranks.
 * @throws EspalierError when no rank has targets that count
 */
async function totalOver(
  model: Model,
  { what, count }: Measured,
  options: LossOptions,
  nth: (index: number) => Batch,
): Promise<Total> {
  const { ranks = oneRank } = options;
  const own = await sumOver(model, count, options, nth);
  const [sum = NaN, weight = NaN] = await ranks.average([own.sum, own.weight]);
  if (weight === 0) {
    throw new EspalierError(
      'ESP_NO_TARGETS',
      `${what} cannot be measured: every target is -1 (ignored) or has weight 0; use data or a batch strategy with targets that count`,
    );
  }
  return { sum: ranks.size * sum, weight: ranks.size * weight };
}

/** Sums the weighted losses and the weights of all counted targets on this rank; NaN if it was stopped. */
async function sumOver(
  model: Model,
  count: number,
  { engine, stop = () => false, onBatch }: LossOptions,
  nth: (index: number) => Batch,
): Promise<Total> {
  const passes = new PassReplay(engine, model);
  let sum = 0;
  let weight = 0;
  for (let index = 0; index < count; index++) {
    // Lets signals and other work of this process run, which may change the current engine.
    await nextTurn();
    if (stop()) return { sum: NaN, weight: NaN };
    useEngine(engine);
    const batch = nth(index);
    const counted = countedTargets(batch).weight;
    // Without counted targets the loss may be NaN.
    if (counted > 0) sum += counted * batchLoss(passes, batch);
    weight += counted;
    await onBatch?.(index + 1, count);
  }
  return { sum, weight };
}

function batchLoss(passes: PassReplay, batch: Batch): number {
  return tf.tidy(() => {
    const { model } = passes;
    const [loss] = passes.run(batch, (inputs) => {
      const { ids, targets, tokens, weights } = inputs;
      return [
        weights === undefined ? model.loss(ids, targets, undefined, tokens) : lossParts(model, inputs, []).crossEntropy,
      ];
    });
    return loss?.dataSync()[0] ?? NaN;
  });
}
