import * as tf from '@tensorflow/tfjs-core';
import { accumulate } from '../ops/index.js';
import type { Batch } from '../contracts/data.js';
import type { Model, TrainingPass } from '../contracts/model.js';
import { trainableParameters } from './parameters.js';
import { Sections } from './sections.js';

/**
 * Forward and backward of one micro-batch.
 * @param accum micro-batches in the iteration: each gradient counts 1/accum
 * @param sums gradients so far, by parameter name; replaced by kept tensors, which the caller disposes
 * @param pass undefined for no dropout
 * @param sections told of `forward` and `backward`
 * @returns the micro-batch's mean loss in nats (not divided by `accum`), kept: the caller disposes it
 */
export function microBatchStep(
  model: Model,
  batch: Batch,
  accum: number,
  sums: Map<string, tf.Tensor>,
  pass: TrainingPass | undefined,
  sections: Sections = new Sections(),
): tf.Scalar {
  return tf.tidy(() => {
    const shape: [number, number] = [batch.batchSize, batch.blockSize];
    const ids = tf.tensor2d(batch.inputs, shape, 'int32');
    const targets = tf.tensor2d(batch.targets, shape, 'int32');
    const parameters = trainableParameters(model);
    let end = sections.begin('forward');
    const forward = (): tf.Scalar => {
      const loss = model.loss(ids, targets, pass);
      end();
      // What is left of `variableGrads` is the way back.
      end = sections.begin('backward');
      return loss;
    };
    try {
      const { value, grads } = tf.variableGrads(forward, [...parameters.values()]);
      for (const [name, variable] of parameters) {
        // A weight that the loss does not reach has none.
        const gradient = grads[variable.name] ?? tf.zerosLike(variable);
        addTo(sums, name, gradient, 1 / accum);
      }
      return tf.keep(value);
    } finally {
      end();
    }
  });
}

function addTo(sums: Map<string, tf.Tensor>, name: string, gradient: tf.Tensor, share: number): void {
  const before = sums.get(name);
  if (before !== undefined) sums.set(name, tf.keep(accumulate(before, gradient, share)));
  else sums.set(name, tf.keep(share === 1 ? gradient : tf.mul(gradient, share)));
  before?.dispose();
}
