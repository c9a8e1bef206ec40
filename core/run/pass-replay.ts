import { tf } from '../tf.js';
import type { Batch } from '../contracts/data.js';
import type { Engine, KernelRecording, Mark } from '../contracts/engine.js';
import type { PassInputs } from '../contracts/models.js';
import type { Model, TrainingPass } from '../contracts/model.js';

/**
 * Computes a pass and returns its loss and, in training, the gradients that it did not hand over before.
 * @param mark called between forward and backward, and with each gradient that is handed over early
 */
export type ComputePass = (inputs: PassInputs, mark: Mark) => tf.Tensor[];

export interface PassOptions {
  /** Undefined for no dropout. */
  readonly pass?: TrainingPass | undefined;
  /** Identifies the caller's `compute` function: each form has its own recording. */
  readonly form?: string;
  readonly onMark?: Mark;
  /** Weight of each loss term; may differ from pass to pass. */
  readonly termWeights?: readonly number[] | undefined;
  /** False if the operations may differ from the previous pass. */
  readonly isRepeatable?: boolean | undefined;
}

/** Runs passes; replays the previous pass's kernels if operations are equal and the engine records kernels. */
export class PassReplay {
  readonly #forms = new Map<string, RecordedPass>();

  constructor(
    private readonly engine: Pick<Engine, 'record'>,
    readonly model: Model,
  ) {}

  /** @returns what `compute` returns */
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
    const recorded = this.#forms.get(form) ?? new RecordedPass();
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

/** The last recorded pass. */
class RecordedPass {
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

/** Returns the tensors of a pass, in the order of `arraysOf`. */
function listOf({ ids, targets, tokens, weights, fields, termWeights }: PassInputs): tf.Tensor[] {
  return [ids, targets, tokens?.documents ?? [], weights ?? [], ...fields.values(), ...termWeights].flat();
}

function arraysOf(batch: Batch, termWeights: readonly number[]): (Int32Array | Float32Array)[] {
  const { inputs, targets, documents, weights, fields = {} } = batch;
  const given = [inputs, targets, documents, weights, ...Object.values(fields)].filter((each) => each !== undefined);
  return [...given, ...termWeights.map((weight) => Float32Array.of(weight))];
}

/** Names the optional arrays of a batch: batches with equal names have inputs of the same types. */
function namesOf({ documents, weights, fields = {} }: Batch): string {
  const types = Object.entries(fields).map(([name, values]) => [name, values instanceof Int32Array]);
  return JSON.stringify([documents !== undefined, weights !== undefined, types]);
}

function areEqual(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((part, index) => part === other[index]);
}
