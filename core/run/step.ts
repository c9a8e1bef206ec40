import { accumulate, tf } from '../tf.js';
import type { Batch } from '../contracts/data.js';
import type { EarlyGradients } from '../contracts/ranks.js';
import type { Engine, KernelRecording, Mark } from '../contracts/engine.js';
import type { Models, PassInputs } from '../contracts/models.js';
import type { Model, TrainingPass } from '../contracts/model.js';
import { EspalierError, messageOf } from '../errors.js';
import type { ActiveTerm } from './loss-terms.js';
import { Sections } from './sections.js';

export interface StepOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Measures `forward` and `backward`. */
  readonly sections?: Sections;
  /** Takes each gradient as it is complete: given with an iteration's last micro-batch, and a pass. */
  readonly early?: EarlyGradients | undefined;
  /** Has the loss computed in parts; without it, `model.loss` is called. */
  readonly inParts?: LossInParts | undefined;
}

/** A loss with weights or terms, or of which each token's is asked for. */
export interface LossInParts {
  readonly terms: readonly ActiveTerm[];
  readonly compute: Models['lossParts'];
}

/** What a micro-batch's pass gives besides gradients. */
export interface StepLosses {
  /** Mean over the counted targets, with their weights, in nats; without any, perhaps NaN. */
  readonly loss: number;
  /** The mean of each term, before its weight. */
  readonly terms: readonly number[];
  /** [batch, time] of a loss in parts: cross-entropy of each token. */
  readonly tokenLosses: Float32Array | undefined;
}

/**
 * Forward and backward of one micro-batch.
 * @param share of its mean gradient in `sums`; 0 adds nothing, whatever the gradient is (without targets, perhaps NaN)
 * @param sums gradients so far, by parameter name; replaced by kept tensors, which the caller disposes
 * @returns its losses, not multiplied by `share`
 */
export function microBatchStep(
  passes: PassReplay,
  batch: Batch,
  share: number,
  sums: Map<string, tf.Tensor>,
  { pass, sections = new Sections(), early, inParts }: StepOptions = {},
): StepLosses {
  const { model } = passes;
  return tf.tidy(() => {
    const parameters = trainableParameters(model);
    const isWatched = early !== undefined && pass !== undefined;
    const handedOver = new Set<string>();
    const remaining = (): [name: string, variable: tf.Variable][] =>
      [...parameters].filter(([name]) => !handedOver.has(name));
    const terms = inParts?.terms ?? [];
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
        // What is left of `variableGrads` is the way back.
        mark('backward');
        return loss;
      };
      const { value, grads } = gradientsOf(forward, [...parameters.values()]);
      const losses = parts.length === 0 ? [value] : parts.map((part) => tf.clone(part));
      tf.dispose(parts);
      // A weight that the loss does not reach has none.
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
          early?.take(what, addTo(sums, what, gradient, share));
        }
      };
      const outputs = passes.run(batch, compute, {
        pass,
        form: formOf(isWatched, inParts),
        onMark,
        termWeights: terms.map(({ weight }) => weight),
        isRepeatable: terms.every(({ term }) => term.varies !== true),
      });
      const lossCount = inParts === undefined ? 1 : terms.length + 2;
      const [losses, rest] = [outputs.slice(0, lossCount), outputs.slice(lossCount)];
      const left = remaining();
      if (losses.length < lossCount || rest.length < left.length)
        throw new Error('a pass did not give a gradient for each weight');
      for (const [index, gradient] of rest.entries()) {
        const name = left[index]?.[0];
        if (name !== undefined) addTo(sums, name, gradient, share);
      }
      if (handedOver.size > 0) inOrderOf(parameters, sums);
      const [loss, ...others] = losses.map((each) => each.dataSync<'float32'>());
      const numbers = others.slice(0, terms.length).map((each) => each[0] ?? NaN);
      return { loss: loss?.[0] ?? NaN, terms: numbers, tokenLosses: others[terms.length]?.slice() };
    } finally {
      end();
    }
  });
}

/**
 * The loss that the gradient is of.
 * @param parts gets cross-entropy, the mean of each term and the loss of each token, kept, if it is computed in parts
 */
function lossOf(
  model: Model,
  inputs: PassInputs,
  pass: TrainingPass | undefined,
  inParts: LossInParts | undefined,
  parts: tf.Tensor[],
): tf.Scalar {
  if (inParts === undefined) return model.loss(inputs.ids, inputs.targets, pass, inputs.tokens);
  const terms = inParts.terms.map(({ term }) => term);
  const { total, crossEntropy, terms: means, losses } = inParts.compute(model, inputs, terms, pass);
  for (const part of [crossEntropy, ...means, losses]) parts.push(tf.keep(part));
  return total;
}

/** Terms are named in it: each set of them has a recording of its own. */
function formOf(isWatched: boolean, inParts: LossInParts | undefined): string {
  const names = inParts === undefined ? '' : JSON.stringify(inParts.terms.map(({ term }) => term.name));
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
export type ComputePass = (inputs: PassInputs, mark: Mark) => tf.Tensor[];

export interface PassOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Which of several functions the caller's `compute` is: the recordings of each are its own. */
  readonly form?: string;
  readonly onMark?: Mark;
  /** What each term counts: it may differ from pass to pass. */
  readonly termWeights?: readonly number[];
  /** False for a pass whose operations may differ from those of the pass before. */
  readonly isRepeatable?: boolean;
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
    { pass, form = '', onMark = () => undefined, termWeights = [], isRepeatable = true }: PassOptions = {},
  ): tf.Tensor[] {
    const { engine, model } = this;
    const operations = isRepeatable ? model.operationsOf?.(pass) : undefined;
    if (operations === undefined || engine.record === undefined) return compute(tensorsOf(batch, termWeights), onMark);
    const { same, masks } = operations;
    const weights = [...model.parameters().values()].flatMap((weight) => [weight, weight.dataId, weight.trainable]);
    const kind = [same, batch.batchSize, batch.blockSize, pass?.firstRow, namesOf(batch), ...weights];
    const recorded = this.#forms.get(form) ?? new Recorded();
    this.#forms.set(form, recorded);
    const repeated = recorded.of(kind)?.run(arraysOf(batch, termWeights), masks, onMark);
    if (repeated !== undefined) {
      recorded.used();
      return repeated;
    }
    const inputs = tensorsOf(batch, termWeights);
    if (!recorded.isWorthAnother()) return compute(inputs, onMark);
    const { outputs, recording } = engine.record(listOf(inputs), masks, (mark) => compute(inputs, mark), onMark);
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

function tensorsOf(batch: Batch, termWeights: readonly number[]): PassInputs {
  const { inputs, targets, documents, weights, fields = {}, batchSize, blockSize } = batch;
  const of = (values: Int32Array | Float32Array): tf.Tensor2D =>
    tf.tensor2d(values, [batchSize, blockSize], values instanceof Int32Array ? 'int32' : 'float32');
  return {
    ids: of(inputs),
    targets: of(targets),
    tokens: documents === undefined ? undefined : { documents: of(documents) },
    weights: weights === undefined ? undefined : of(weights),
    fields: new Map(Object.entries(fields).map(([name, values]) => [name, of(values)])),
    termWeights: termWeights.map((weight) => tf.scalar(weight)),
  };
}

/** The tensors of a pass, in the order of `arraysOf`. */
function listOf({ ids, targets, tokens, weights, fields, termWeights }: PassInputs): tf.Tensor[] {
  return [ids, targets, tokens?.documents ?? [], weights ?? [], ...fields.values(), ...termWeights].flat();
}

function arraysOf(batch: Batch, termWeights: readonly number[]): (Int32Array | Float32Array)[] {
  const { inputs, targets, documents, weights, fields = {} } = batch;
  const given = [inputs, targets, documents, weights, ...Object.values(fields)].filter((each) => each !== undefined);
  return [...given, ...termWeights.map((weight) => Float32Array.of(weight))];
}

/** What a batch has beside ids and targets: batches with the same have inputs of the same types. */
function namesOf({ documents, weights, fields = {} }: Batch): string {
  const types = Object.entries(fields).map(([name, values]) => [name, values instanceof Int32Array]);
  return JSON.stringify([documents !== undefined, weights !== undefined, types]);
}

function areEqual(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}
