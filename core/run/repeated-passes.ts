import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from '../contracts/data.js';
import type { Engine, KernelRecording } from '../contracts/engine.js';
import type { Model, TrainingPass } from '../contracts/model.js';

/**
 * What a pass gives: its loss, and the gradients if it is one of training.
 * @param mark called between forward and backward
 */
export type ComputePass = (ids: tf.Tensor2D, targets: tf.Tensor2D, mark: () => void) => tf.Tensor[];

/** After so many recordings in a row that were not used, there is none for so many passes. */
const USELESS = 3;
const PAUSE = 100;

/** Runs passes: where one has the operations of the one before, by that one's kernels, if the engine records kernels. */
export class RepeatedPasses {
  #last: { readonly kind: readonly unknown[]; readonly recording: KernelRecording; used: boolean } | undefined;
  #useless = 0;
  #pause = 0;

  constructor(
    private readonly engine: Pick<Engine, 'record'>,
    readonly model: Model,
  ) {}

  /** @returns what `compute` returns, or would */
  run(
    batch: Batch,
    pass: TrainingPass | undefined,
    compute: ComputePass,
    mark: () => void = () => undefined,
  ): tf.Tensor[] {
    const { engine, model } = this;
    const operations = model.operationsOf?.(pass);
    if (operations === undefined || engine.record === undefined) return compute(...tensorsOf(batch), mark);
    const { same, masks } = operations;
    const weights = [...model.parameters().values()].flatMap((weight) => [weight, weight.dataId, weight.trainable]);
    const kind = [same, batch.batchSize, batch.blockSize, pass?.firstRow, ...weights];
    if (this.#last !== undefined && areEqual(this.#last.kind, kind)) {
      const repeated = this.#last.recording.run([batch.inputs, batch.targets], masks, mark);
      if (repeated !== undefined) {
        this.#last.used = true;
        return repeated;
      }
    }
    const [ids, targets] = tensorsOf(batch);
    if (!this.#isWorthRecording()) return compute(ids, targets, mark);
    const { outputs, recording } = engine.record([ids, targets], masks, (noteMark) =>
      compute(ids, targets, () => {
        noteMark();
        mark();
      }),
    );
    this.#last = recording === undefined ? undefined : { kind, recording, used: false };
    return outputs;
  }

  #isWorthRecording(): boolean {
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
