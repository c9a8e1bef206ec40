import { accumulate, tf } from '../tf.js';
import type { Batch } from '../contracts/data.js';
import type { EarlyGradients } from '../contracts/ranks.js';
import type { Engine, KernelRecording, Mark } from '../contracts/engine.js';
import type { Model, TrainingPass } from '../contracts/model.js';
import { EspalierError, messageOf } from '../errors.js';
import { Sections } from './sections.js';

export interface StepOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Measures `forward` and `backward`. */
  readonly sections?: Sections;
  /** Takes each gradient as it is complete: given with an iteration's last micro-batch, and a pass. */
  readonly early?: EarlyGradients | undefined;
}

/**
 * Forward and backward of one micro-batch.
 * @param share of its mean gradient in `sums`; 0 adds nothing, whatever the gradient is (without targets, perhaps NaN)
 * @param sums gradients so far, by parameter name; replaced by kept tensors, which the caller disposes
 * @returns the micro-batch's mean loss [] in nats (not multiplied by `share`), kept: the caller disposes it
 */
export function microBatchStep(
  passes: PassReplay,
  batch: Batch,
  share: number,
  sums: Map<string, tf.Tensor>,
  { pass, sections = new Sections(), early }: StepOptions = {},
): tf.Tensor {
  const { model } = passes;
  return tf.tidy(() => {
    const parameters = trainableParameters(model);
    const isWatched = early !== undefined && pass !== undefined;
    const handedOver = new Set<string>();
    const remaining = (): [name: string, variable: tf.Variable][] =>
      [...parameters].filter(([name]) => !handedOver.has(name));
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
      return [value, ...remaining().map(([, variable]) => grads[variable.name] ?? tf.zerosLike(variable))];
    };
    let end = sections.begin('forward');
    try {
      const onMark = (what: string, gradient?: tf.Tensor): void => {
        if (gradient === undefined) {
          end();
          end = sections.begin('backward');
        } else {
          handedOver.add(what);
          early?.take(what, addTo(sums, what, gradient, share));
        }
      };
      const [loss, ...rest] = passes.run(batch, compute, { pass, form: isWatched ? 'watched' : 'plain', onMark });
      const left = remaining();
      if (loss === undefined || rest.length < left.length)
        throw new Error('a pass did not give a gradient for each weight');
      for (const [index, gradient] of rest.entries()) {
        const name = left[index]?.[0];
        if (name !== undefined) addTo(sums, name, gradient, share);
      }
      if (handedOver.size > 0) inOrderOf(parameters, sums);
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

/**
 * What a pass gives: its loss, and of training the gradients that it did not hand over on the way.
 * @param mark called between forward and backward, and with each gradient that is handed over
 */
export type ComputePass = (ids: tf.Tensor2D, targets: tf.Tensor2D, mark: Mark) => tf.Tensor[];

export interface PassOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Which of several functions the caller's `compute` is: the recordings of each are its own. */
  readonly form?: string;
  readonly onMark?: Mark;
}

/** Runs passes: where one has the operations of the one before, by that one's kernels, if the engine records kernels. */
export class PassReplay {
  readonly #forms = new Map<string, Recorded>();

  constructor(
    private readonly engine: Pick<Engine, 'record'>,
    readonly model: Model,
  ) {}

  /** @returns what `compute` returns, or would */
  run(
    batch: Batch,
    compute: ComputePass,
    { pass, form = '', onMark = () => undefined }: PassOptions = {},
  ): tf.Tensor[] {
    const { engine, model } = this;
    const operations = model.operationsOf?.(pass);
    if (operations === undefined || engine.record === undefined) return compute(...tensorsOf(batch), onMark);
    const { same, masks } = operations;
    const weights = [...model.parameters().values()].flatMap((weight) => [weight, weight.dataId, weight.trainable]);
    const kind = [same, batch.batchSize, batch.blockSize, pass?.firstRow, ...weights];
    const recorded = this.#forms.get(form) ?? new Recorded();
    this.#forms.set(form, recorded);
    const repeated = recorded.of(kind)?.run([batch.inputs, batch.targets], masks, onMark);
    if (repeated !== undefined) {
      recorded.used();
      return repeated;
    }
    const [ids, targets] = tensorsOf(batch);
    if (!recorded.isWorthAnother()) return compute(ids, targets, onMark);
    const { outputs, recording } = engine.record([ids, targets], masks, (mark) => compute(ids, targets, mark), onMark);
    recorded.keep(kind, recording);
    return outputs;
  }
}

/** After `MAX_UNUSED` recordings in a row that were never replayed, skip recording for `PASSES_TO_SKIP` passes. */
const MAX_UNUSED = 3;
const PASSES_TO_SKIP = 100;

/** The last recording. */
class Recorded {
  #last: { readonly kind: readonly unknown[]; readonly recording: KernelRecording; used: boolean } | undefined;
  #unused = 0;
  #toSkip = 0;

  of(kind: readonly unknown[]): KernelRecording | undefined {
    return this.#last !== undefined && areEqual(this.#last.kind, kind) ? this.#last.recording : undefined;
  }

  used(): void {
    if (this.#last !== undefined) this.#last.used = true;
  }

  keep(kind: readonly unknown[], recording: KernelRecording | undefined): void {
    this.#last?.recording.end?.();
    this.#last = recording === undefined ? undefined : { kind, recording, used: false };
  }

  isWorthAnother(): boolean {
    if (this.#toSkip > 0) {
      this.#toSkip--;
      return false;
    }
    this.#unused = this.#last?.used === true ? 0 : this.#unused + 1;
    if (this.#unused > MAX_UNUSED) [this.#unused, this.#toSkip] = [0, PASSES_TO_SKIP];
    return true;
  }
}

/** Ids and targets [batch, time], int32. */
export function tensorsOf({ inputs, targets, batchSize, blockSize }: Batch): [ids: tf.Tensor2D, targets: tf.Tensor2D] {
  const shape: [number, number] = [batchSize, blockSize];
  return [tf.tensor2d(inputs, shape, 'int32'), tf.tensor2d(targets, shape, 'int32')];
}

function areEqual(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}
