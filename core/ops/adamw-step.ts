import * as tf from '@tensorflow/tfjs-core';
import { at, runKernelForAll, type Op } from './kernel.js';

export interface AdamWSettings {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** Number of this update, from 1. */
  step: number;
  /** The gradient is multiplied by it first (clipping). */
  gradientScale: number;
}

/** A weight and its two moments, all of one shape. */
export interface AdamWTensors {
  parameter: tf.Tensor;
  expAvg: tf.Tensor;
  expAvgSq: tf.Tensor;
}

/**
 * One AdamW update with bias correction and decoupled weight decay, as new tensors.
 * Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019; arithmetic of torch.optim.AdamW.
 */
export function adamwStep(tensors: AdamWTensors, gradient: tf.Tensor, settings: AdamWSettings): AdamWTensors {
  const outputs = runKernelForAll('EspalierAdamWStep', { ...tensors, gradient }, { ...settings });
  return { parameter: at(outputs, 0), expAvg: at(outputs, 1), expAvgSq: at(outputs, 2) };
}

export const adamwStepOp: Op = {
  kernels: [
    {
      name: 'EspalierAdamWStep',
      compute: (inputs, attributes) => {
        const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
        const [step, rate] = [attributes.number('step'), attributes.number('learningRate')];
        const gradient = tf.mul(inputs.get('gradient'), attributes.number('gradientScale'));
        const expAvg = tf.add(tf.mul(inputs.get('expAvg'), beta1), tf.mul(gradient, 1 - beta1));
        const expAvgSq = tf.add(tf.mul(inputs.get('expAvgSq'), beta2), tf.mul(tf.square(gradient), 1 - beta2));
        const deviation = tf.mul(tf.sqrt(expAvgSq), 1 / Math.sqrt(1 - beta2 ** step));
        const change = tf.mul(
          tf.div(expAvg, tf.add(deviation, attributes.number('epsilon'))),
          rate / (1 - beta1 ** step),
        );
        const decayed = tf.mul(inputs.get('parameter'), 1 - rate * attributes.number('weightDecay'));
        return [tf.sub(decayed, change), expAvg, expAvgSq];
      },
    },
  ],
  gradients: [],
};
