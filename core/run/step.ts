import { tf } from '../tf.js';
import type { Batch } from '../contracts/data.js';
import type { EarlyGradients } from '../contracts/early-gradients.js';
import type { Model, TrainingPass } from '../contracts/model.js';
import { EspalierError, messageOf } from '../errors.js';
import { accumulate } from './kernels.js';
import type { ComputePass, RepeatedPasses } from './repeated-passes.js';
import { Sections } from './sections.js';

export interface StepOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Told of `forward` and `backward`. */
  readonly sections?: Sections;
  /** Told of gradients as they are complete: given with an iteration's last micro-batch, and a pass. */
  readonly early?: EarlyGradients | undefined;
}

/**
 * Forward and backward of one micro-batch.
 * @param share of its mean gradient in `sums`; 0 adds nothing, whatever the gradient is (without targets, perhaps NaN)
 * @param sums gradients so far, by parameter name; replaced by kept tensors, which the caller disposes
 * @returns the micro-batch's mean loss [] in nats (not multiplied by `share`), kept: the caller disposes it
 */
export function microBatchStep(
  passes: RepeatedPasses,
  batch: Batch,
  share: number,
  sums: Map<string, tf.Tensor>,
  { pass, sections = new Sections(), early }: StepOptions = {},
): tf.Tensor {
  const { model } = passes;
  return tf.tidy(() => {
    const parameters = trainableParameters(model);
    const isWatched = early !== undefined && pass !== undefined;
    const told = new Set<string>();
    const untold = (): [name: string, variable: tf.Variable][] => [...parameters].filter(([name]) => !told.has(name));
    const compute: ComputePass = (ids, targets, mark) => {
      const read = (name: string, weight: tf.Variable): tf.Tensor =>
        parameters.has(name)
          ? watched(weight, (gradient) => {
              mark(name, gradient);
            })
          : weight;
      const forward = (): tf.Scalar => {
        const loss = model.loss(ids, targets, isWatched ? { ...pass, read } : pass);
        // What is left of `variableGrads` is the way back.
        mark('backward');
        return loss;
      };
      const { value, grads } = gradientsOf(forward, [...parameters.values()]);
      // A weight that the loss does not reach has none.
      return [value, ...untold().map(([, variable]) => grads[variable.name] ?? tf.zerosLike(variable))];
    };
    let end = sections.begin('forward');
    try {
      const onMark = (what: string, gradient?: tf.Tensor): void => {
        if (gradient === undefined) {
          end();
          end = sections.begin('backward');
        } else {
          told.add(what);
          early?.take(what, addTo(sums, what, gradient, share));
        }
      };
      const [loss, ...rest] = passes.run(batch, compute, { pass, form: isWatched ? 'watched' : 'plain', onMark });
      const left = untold();
      if (loss === undefined || rest.length < left.length)
        throw new Error('a pass did not give a gradient for each weight');
      for (const [index, gradient] of rest.entries()) {
        const name = left[index]?.[0];
        if (name !== undefined) addTo(sums, name, gradient, share);
      }
      if (told.size > 0) inOrderOf(parameters, sums);
      return tf.keep(loss);
    } finally {
      end();
    }
  });
}

/** @throws EspalierError naming the operation that has no gradient */
function gradientsOf(forward: () => tf.Scalar, weights: tf.Variable[]): ReturnType<typeof tf.variableGrads> {
  try {
    return tf.variableGrads(forward, weights);
  } catch (thrown) {
    const [, kernel] = /gradient function not found for (\w+)/.exec(messageOf(thrown)) ?? [];
    if (kernel === undefined) throw thrown;
    throw new EspalierError(
      'ESP_NO_GRADIENT',
      `the loss is computed with TensorFlow.js's operation ${kernel}, which has no gradient here: write it with operations that docs/writing-plugins.md lists, or give it a gradient with tf.customGrad`,
      { cause: thrown },
    );
  }
}

/**
 * The weight itself, of which `tell` gets the gradient: the backward pass is done with a tensor when it is back where
 * it was made, which is before all that were made earlier.
 */
function watched(weight: tf.Variable, tell: (gradient: tf.Tensor) => void): tf.Tensor {
  return tf.customGrad(() => ({
    value: tf.clone<tf.Tensor>(weight),
    gradFunc: (dy: tf.Tensor) => {
      tell(dy);
      return dy;
    },
  }))(weight);
}

/** Multiplies each sum. @param sums replaced by kept tensors, as by `microBatchStep` */
export function scaleSums(sums: Map<string, tf.Tensor>, factor: number): void {
  for (const [name, sum] of sums) {
    sums.set(
      name,
      tf.tidy(() => tf.keep(tf.mul(sum, factor))),
    );
    sum.dispose();
  }
}

/** @returns the sum */
function addTo(sums: Map<string, tf.Tensor>, name: string, gradient: tf.Tensor, share: number): tf.Tensor {
  const before = sums.get(name);
  if (share === 0 && before !== undefined) return before;
  const first = (): tf.Tensor => {
    if (share === 0) return tf.zerosLike(gradient);
    return share === 1 ? gradient : tf.mul(gradient, share);
  };
  const sum = tf.keep(before === undefined ? first() : accumulate(before, gradient, share));
  sums.set(name, sum);
  before?.dispose();
  return sum;
}

/** Sums over all of them are taken in the parameters' order, whatever order they came in. */
function inOrderOf(parameters: ReadonlyMap<string, unknown>, sums: Map<string, tf.Tensor>): void {
  for (const name of parameters.keys()) {
    const sum = sums.get(name);
    if (sum === undefined) continue;
    sums.delete(name);
    sums.set(name, sum);
  }
}

/** The model's weights that are not frozen, by name. */
export function trainableParameters(model: Model): Map<string, tf.Variable> {
  return new Map([...model.parameters()].filter(([, variable]) => variable.trainable));
}
