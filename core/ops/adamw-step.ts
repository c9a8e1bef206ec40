import * as tf from '@tensorflow/tfjs-core';
import { at, numbered, runKernelForAll, type Attributes, type Op } from './kernel.js';

export interface AdamWSettings {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Number of this update, from 1. */
  step: number;
  /** Gradients are multiplied by it first (clipping). */
  gradientScale: number;
}

/** A weight and its two moments, all of one shape. */
export interface AdamWTensors {
  parameter: tf.Tensor;
  expAvg: tf.Tensor;
  expAvgSq: tf.Tensor;
}

export interface AdamWParameter extends AdamWTensors {
  gradient: tf.Tensor;
  weightDecay: number;
}

/**
 * One AdamW update of all parameters, with bias correction and decoupled weight decay. The tensors that come back
 * may share the memory of the given ones: dispose those, or let variables take the new ones over.
 * Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019; arithmetic of torch.optim.AdamW.
 */
export function adamwStep(parameters: readonly AdamWParameter[], settings: AdamWSettings): AdamWTensors[] {
  const inputs = numbered([
    ...parameters.map(({ parameter }) => parameter),
    ...parameters.map(({ gradient }) => gradient),
    ...parameters.map(({ expAvg }) => expAvg),
    ...parameters.map(({ expAvgSq }) => expAvgSq),
  ]);
  const weightDecays = parameters.map(({ weightDecay }) => weightDecay);
  const outputs = runKernelForAll('EspalierAdamWStep', inputs, { ...settings, weightDecays });
  const count = parameters.length;
  return parameters.map((_, index) => ({
    parameter: at(outputs, index),
    expAvg: at(outputs, count + index),
    expAvgSq: at(outputs, 2 * count + index),
  }));
}

/** Inputs are all parameters, then all gradients, all means, all mean squares; outputs the same but the gradients. */
export const adamwStepOp: Op = {
  kernels: [
    {
      name: 'EspalierAdamWStep',
      compute: (inputs, attributes) => {
        const groups = inputs.groups(4);
        const updated = attributes.numbers('weightDecays').map((weightDecay, index) => {
          const tensors = groups.map((group) => at(group, index));
          return tf.tidy(() => update(tensors, weightDecay, attributes));
        });
        return [0, 1, 2].flatMap((which) => updated.map((tensors) => at(tensors, which)));
      },
    },
  ],
  gradients: [],
};

/** @param tensors a weight, its gradient, its mean and its mean square */
function update(tensors: readonly tf.Tensor[], weightDecay: number, attributes: Attributes): tf.Tensor[] {
  const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
  const [step, rate] = [attributes.number('step'), attributes.number('learningRate')];
  const [parameter, mean, meanSquare] = [at(tensors, 0), at(tensors, 2), at(tensors, 3)];
  const [gradient, scale] = [at(tensors, 1), attributes.number('gradientScale')];
  const expAvg = tf.add(tf.mul(mean, beta1), tf.mul(gradient, (1 - beta1) * scale));
  const expAvgSq = tf.add(tf.mul(meanSquare, beta2), tf.mul(tf.square(gradient), (1 - beta2) * scale ** 2));
  const deviation = tf.mul(tf.sqrt(expAvgSq), 1 / Math.sqrt(1 - beta2 ** step));
  const change = tf.mul(tf.div(expAvg, tf.add(deviation, attributes.number('epsilon'))), rate / (1 - beta1 ** step));
  const decayed = weightDecay === 0 ? parameter : tf.mul(parameter, 1 - rate * weightDecay);
  return [tf.sub(decayed, change), expAvg, expAvgSq];
}
