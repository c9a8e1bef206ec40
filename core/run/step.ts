import { accumulateAll, tf } from '../tf.js';
import type { Batch } from '../contracts/data.js';
import type { EarlyGradients } from '../contracts/ranks.js';
import type { LossInParts, PassInputs } from '../contracts/models.js';
import type { Model, TrainingPass } from '../contracts/model.js';
import { EspalierError, messageOf } from '../errors.js';
import type { ComputePass, PassReplay } from './pass-replay.js';
import { Sections } from './sections.js';

export interface StepOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Measures the sections `forward` and `backward`. */
  readonly sections?: Sections;
  /**
   * Receives each gradient as soon as it is complete; given for an iteration's last micro-batch, together with `pass`.
   */
  readonly early?: EarlyGradients | undefined;
  /** Computes the loss in parts; without it, `model.loss` is called. */
  readonly inParts?: LossInParts | undefined;
}

/** The results of a micro-batch's pass, besides gradients. */
export interface StepLosses {
  /** Weighted mean over the counted targets, in nats; may be NaN if there are none. */
  readonly loss: number;
  /** Mean of each term, before its weight. */
  readonly terms: readonly number[];
  /** Cross-entropy of each token, [batch, time], if the loss was computed in parts. */
  readonly tokenLosses: Float32Array | undefined;
}

/** Losses that nobody has waited for. */
export interface UnreadLosses {
  readonly loss: tf.Tensor;
  /** Waits for the losses and frees them. Call it once. */
  read(): StepLosses;
}

/**
 * Runs forward and backward of one micro-batch.
 * @param share factor for its mean gradient in `sums`; 0 adds nothing, even if the gradient is NaN (no counted targets)
 * @param sums gradients so far, by parameter name; replaced by kept tensors, which the caller disposes
 * @returns its losses, not multiplied by `share`
 */
export function microBatchStep(
  passes: PassReplay,
  batch: Batch,
  share: number,
  sums: Map<string, tf.Tensor>,
  { pass, sections = new Sections(), early, inParts }: StepOptions = {},
): UnreadLosses {
  const { model } = passes;
  const termCount = inParts?.terms.length ?? 0;
  const unread = tf.tidy(() => {
    const parameters = trainableParameters(model);
    const isWatched = early !== undefined && pass !== undefined;
    const handedOver = new Set<string>();
    const remaining = (): [name: string, variable: tf.Variable][] =>
      [...parameters].filter(([name]) => !handedOver.has(name));
    const compute: ComputePass = (inputs, mark) => {
      const parts: tf.Tensor[] = [];
      const read = (name: string, weight: tf.Variable): tf.Tensor =>
        parameters.has(name)
          ? watched(weight, (gradient) => {
              mark(name, gradient);
            })
          : weight;
      const forward = (): tf.Scalar => {
        const given = isWatched ? { ...pass, read } : pass;
        const loss = lossOf(model, inputs, given, inParts, parts);
        // The rest of `variableGrads` is the backward pass.
        mark('backward');
        return loss;
      };
      const { value, grads } = gradientsOf(forward, [...parameters.values()]);
      const losses = parts.length === 0 ? [value] : parts.map((part) => tf.clone(part));
      tf.dispose(parts);
      // A weight that the loss does not depend on has no gradient.
      return [...losses, ...remaining().map(([, variable]) => grads[variable.name] ?? tf.zerosLike(variable))];
    };
    let end = sections.begin('forward');
    try {
      const onMark = (what: string, gradient?: tf.Tensor): void => {
        if (gradient === undefined) {
          end();
          end = sections.begin('backward');
        } else {
          handedOver.add(what);
          for (const sum of addTo(sums, [what], [gradient], share)) early?.take(what, sum);
        }
      };
      const outputs = passes.run(batch, compute, {
        pass,
        form: formOf(isWatched, inParts),
        onMark,
        termWeights: inParts?.termWeights,
        isRepeatable: inParts?.isRepeatable,
      });
      const lossCount = inParts === undefined ? 1 : termCount + 2;
      const [losses, rest] = [outputs.slice(0, lossCount), outputs.slice(lossCount)];
      const names = remaining().map(([name]) => name);
      if (losses.length < lossCount || rest.length < names.length)
        throw new Error('a pass did not give a gradient for each weight');
      addTo(sums, names, rest, share);
      if (handedOver.size > 0) inOrderOf(parameters, sums);
      return losses;
    } finally {
      end();
    }
  });
  const [first] = unread;
  if (first === undefined) throw new Error('a pass gave no loss');
  const read = (): StepLosses => {
    const [loss, ...others] = unread.map((each) => each.dataSync<'float32'>());
    const numbers = others.slice(0, termCount).map((each) => each[0] ?? NaN);
    const tokenLosses = others[termCount]?.slice();
    tf.dispose(unread);
    return { loss: loss?.[0] ?? NaN, terms: numbers, tokenLosses };
  };
  return { loss: first, read };
}

/**
 * Returns the loss to differentiate.
 * @param parts receives cross-entropy, the mean of each term and each token's loss as kept tensors, if computed in
 * parts
 */
function lossOf(
  model: Model,
  inputs: PassInputs,
  pass: TrainingPass | undefined,
  inParts: LossInParts | undefined,
  parts: tf.Tensor[],
): tf.Scalar {
  if (inParts === undefined) return model.loss(inputs.ids, inputs.targets, pass, inputs.tokens);
  const { total, crossEntropy, terms, losses } = inParts.compute(model, inputs, pass);
  for (const part of [crossEntropy, ...terms, losses]) parts.push(tf.keep(part));
  return total;
}

/** Includes the names of loss terms, so that each set of terms has its own recording. */
function formOf(isWatched: boolean, inParts: LossInParts | undefined): string {
  const names = inParts === undefined ? '' : JSON.stringify(inParts.terms);
  return `${isWatched ? 'watched' : 'plain'}${names}`;
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
      `the loss is computed with TensorFlow.js's operation ${kernel}, which has no gradient: use an operation that docs/plugins/writing-plugins.md lists, or define the gradient with tf.customGrad`,
      { cause: thrown },
    );
  }
}

/**
 * Returns the weight, and calls `tell` with its gradient once complete. The backward pass visits operations in reverse
 * order, so a tensor's gradient is complete when the operation that created it is reached.
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

/** Multiplies each sum by a factor. @param sums replaced by kept tensors, as by `microBatchStep` */
export function scaleSums(sums: Map<string, tf.Tensor>, factor: number): void {
  for (const [name, sum] of sums) {
    sums.set(
      name,
      tf.tidy(() => tf.keep(tf.mul(sum, factor))),
    );
    sum.dispose();
  }
}

/** Adds to the sums of these weights, of which all or none exist. @returns them */
function addTo(sums: Map<string, tf.Tensor>, names: string[], gradients: tf.Tensor[], share: number): tf.Tensor[] {
  const before = names.flatMap((name) => sums.get(name) ?? []);
  if (names.length === 0 || (share === 0 && before.length > 0)) return before;
  const added = (): tf.Tensor[] => {
    if (share === 0) return gradients.map((gradient) => tf.zerosLike(gradient));
    return share === 1 && before.length === 0 ? gradients : accumulateAll(before, gradients, share);
  };
  const kept = added().map((sum) => tf.keep(sum));
  for (const [index, sum] of kept.entries()) sums.set(names[index] ?? '', sum);
  tf.dispose(before);
  return kept;
}

/** Restores the parameters' order, since sums over all gradients depend on it. */
function inOrderOf(parameters: ReadonlyMap<string, unknown>, sums: Map<string, tf.Tensor>): void {
  for (const name of parameters.keys()) {
    const sum = sums.get(name);
    if (sum === undefined) continue;
    sums.delete(name);
    sums.set(name, sum);
  }
}

/** Returns the model's weights that are not frozen, by name. */
export function trainableParameters(model: Model): Map<string, tf.Variable> {
  return new Map([...model.parameters()].filter(([, variable]) => variable.trainable));
}
