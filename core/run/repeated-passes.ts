import { tf } from '../tf.js';
import type { Batch } from '../contracts/data.js';
import type { Engine, KernelRecording, Mark } from '../contracts/engine.js';
import type { Model, TrainingPass } from '../contracts/model.js';

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
export class RepeatedPasses {
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

/** After so many recordings in a row that were not used, there is none for so many passes. */
const USELESS = 3;
const PAUSE = 100;

/** The last recording. */
class Recorded {
  #last: { readonly kind: readonly unknown[]; readonly recording: KernelRecording; used: boolean } | undefined;
  #useless = 0;
  #pause = 0;

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
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    this.#useless = this.#last?.used === true ? 0 : this.#useless + 1;
    if (this.#useless > USELESS) [this.#useless, this.#pause] = [0, PAUSE];
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
