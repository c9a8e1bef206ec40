import { tf, type Batch, type Model } from '../../../core/index.js';
import { pluginOf } from '../../../core/runs.js';

/** Iterations between two warnings about missing targets. */
const QUIET_FOR = 100;
/** Largest relative error of a loss that is a mean: above bfloat16's rounding, and below half of the loss. */
const TOLERANCE = 2e-3;
/** Smaller losses are compared as if they were this large, because what remains is rounding. */
const SMALL_LOSS = 0.05;

/** Warns about the consequences of ignored targets. One instance per training loss. */
export class IgnoredTargets {
  #isChecked = false;
  #quietUntil = -Infinity;

  constructor(private readonly warn: (line: string) => void) {}

  /**
   * Called with each batch. At the first batch with ignored targets, checks the model's loss: the mean of the losses of
   * two halves of the targets must equal the loss of all.
   */
  look(model: Model, batch: Batch, counted: number): void {
    if (this.#isChecked || counted === batch.targets.length || batch.blockSize < 2) return;
    this.#isChecked = true;
    const { all, even, odd } = lossesOfHalves(model, batch);
    const share = Math.ceil(batch.blockSize / 2) / batch.blockSize;
    const mean = share * even + (1 - share) * odd;
    const limit = TOLERANCE * Math.max(Math.abs(all), SMALL_LOSS);
    if (!Number.isFinite(all) || Math.abs(mean - all) <= limit) return;
    this.warn(
      `some targets are -1 (ignored), and the loss of model plugin ${pluginOf(model)} is not the mean over the others: with every second target it is ${shown(even)}, with the others ${shown(odd)}, and with all ${shown(all)} instead of ${shown(mean)}. The gradient is wrong: use softmaxCrossEntropy of espalier, or divide the sum over the targets that are not -1 by their number`,
    );
  }

  /** Called for an iteration without counted targets. @param iterations number done, including this one */
  skipped(iterations: number): void {
    if (iterations < this.#quietUntil) return;
    this.#quietUntil = iterations + QUIET_FOR;
    this.warn(
      `iteration ${String(iterations)}: every target is -1 (ignored) or has weight 0: there is no loss, and the optimizer's step is left out`,
    );
  }
}

/**
 * Computes losses over the first window of a batch, with the model's likeliest token as the target of each position:
 * ignored targets that are counted as some token then stand out.
 */
function lossesOfHalves(model: Model, { inputs, blockSize }: Batch): { all: number; even: number; odd: number } {
  return tf.tidy(() => {
    const shape: [number, number] = [1, blockSize];
    const ids = tf.tensor2d(inputs.slice(0, blockSize), shape, 'int32');
    const likeliest = argMax(model.logits(ids).dataSync<'float32'>(), blockSize);
    const loss = (isKept: (position: number) => boolean): number => {
      const targets = likeliest.map((id, position) => (isKept(position) ? id : -1));
      return model.loss(ids, tf.tensor2d(targets, shape, 'int32')).dataSync()[0] ?? NaN;
    };
    const isEven = (position: number): boolean => position % 2 === 0;
    return { all: loss(() => true), even: loss(isEven), odd: loss((position) => !isEven(position)) };
  });
}

/** Returns the column of the largest number in each row of [rows · columns]. */
function argMax(numbers: Float32Array, rows: number): Int32Array {
  const columns = numbers.length / rows;
  return Int32Array.from({ length: rows }, (_, row) => {
    const from = row * columns;
    let best = 0;
    for (let column = 1; column < columns; column++) {
      if ((numbers[from + column] ?? NaN) > (numbers[from + best] ?? NaN)) best = column;
    }
    return best;
  });
}

function shown(loss: number): string {
  return loss.toPrecision(4);
}
