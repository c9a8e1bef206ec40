import * as tf from '@tensorflow/tfjs-core';
import { at, runKernelForAll, type Attributes, type KernelInputs, type Op } from './kernel.js';

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
  const inputs: tf.NamedTensorMap = {};
  for (const [index, { parameter, gradient, expAvg, expAvgSq }] of parameters.entries()) {
    inputs[`parameter${index}`] = parameter;
    inputs[`gradient${index}`] = gradient;
    inputs[`expAvg${index}`] = expAvg;
    inputs[`expAvgSq${index}`] = expAvgSq;
  }
  const weightDecays = parameters.map(({ weightDecay }) => weightDecay);
  const outputs = runKernelForAll('EspalierAdamWStep', inputs, { ...settings, weightDecays });
  const count = parameters.length;
  return parameters.map((_, index) => ({
    parameter: at(outputs, index),
    expAvg: at(outputs, count + index),
    expAvgSq: at(outputs, 2 * count + index),
  }));
}

/** Inputs are `parameter0`, `gradient0`, …; outputs all parameters, then all means, then all mean squares. */
export const adamwStepOp: Op = {
  kernels: [
    {
      name: 'EspalierAdamWStep',
      compute: (inputs, attributes) => {
        const updated = attributes
          .numbers('weightDecays')
          .map((weightDecay, index) => tf.tidy(() => update(inputs, index, weightDecay, attributes)));
        return [0, 1, 2].flatMap((which) => updated.map((tensors) => at(tensors, which)));
      },
    },
  ],
  gradients: [],
};

function update(inputs: KernelInputs, index: number, weightDecay: number, attributes: Attributes): tf.Tensor[] {
  const input = (name: string): tf.Tensor => inputs.get(`${name}${index}`);
  const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
  const [step, rate] = [attributes.number('step'), attributes.number('learningRate')];
  const gradient = tf.mul(input('gradient'), attributes.number('gradientScale'));
  const expAvg = tf.add(tf.mul(input('expAvg'), beta1), tf.mul(gradient, 1 - beta1));
  const expAvgSq = tf.add(tf.mul(input('expAvgSq'), beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const deviation = tf.mul(tf.sqrt(expAvgSq), 1 / Math.sqrt(1 - beta2 ** step));
  const change = tf.mul(tf.div(expAvg, tf.add(deviation, attributes.number('epsilon'))), rate / (1 - beta1 ** step));
  const decayed = tf.mul(input('parameter'), 1 - rate * weightDecay);
  return [tf.sub(decayed, change), expAvg, expAvgSq];
}
