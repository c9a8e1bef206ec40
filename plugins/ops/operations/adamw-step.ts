import { tf } from '../../../core/index.js';
import { at, type Attributes, numbered, type Op, present, runKernelForAll } from './kernel.js';

/** Added to the norm when gradients are clipped, as torch.nn.utils.clip_grad_norm_ does. */
export const CLIP_EPSILON = 1e-6;

/** Clipping by a norm that nobody has read. */
export interface Clipping {
  /** Global norm of the gradients; where it is not finite, nothing is updated. */
  readonly norm: tf.Tensor;
  /** Gradients are clipped to this norm; 0 disables clipping. */
  readonly gradClip: number;
}

export interface AdamWSettings {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Number of this update, from 1. */
  step: number;
  /** Multiplied into the gradients first (clipping). */
  gradientScale: number;
  /** Clips further. */
  clipping?: Clipping | undefined;
}

/** A weight and its two moments, of equal shape. */
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
 * Applies one AdamW update, with bias correction and decoupled weight decay, to all parameters. The returned tensors
 * may share the memory of the given ones: dispose those, or assign the new ones to the variables.
 * Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019; arithmetic of torch.optim.AdamW.
 */
export function adamwStep(
  parameters: readonly AdamWParameter[],
  { clipping, ...settings }: AdamWSettings,
): AdamWTensors[] {
  const inputs = numbered([
    ...parameters.map(({ parameter }) => parameter),
    ...parameters.map(({ gradient }) => gradient),
    ...parameters.map(({ expAvg }) => expAvg),
    ...parameters.map(({ expAvgSq }) => expAvgSq),
    ...(clipping === undefined ? [] : [clipping.norm]),
  ]);
  const weightDecays = parameters.map(({ weightDecay }) => weightDecay);
  const attributes = { ...settings, weightDecays };
  const outputs =
    clipping === undefined
      ? runKernelForAll('EspalierAdamWStep', inputs, attributes)
      : runKernelForAll('EspalierAdamWByNorm', inputs, { ...attributes, gradClip: clipping.gradClip });
  const count = parameters.length;
  return parameters.map((_, index) => ({
    parameter: at(outputs, index),
    expAvg: at(outputs, count + index),
    expAvgSq: at(outputs, 2 * count + index),
  }));
}

/**
 * Inputs: all parameters, then all gradients, all means, all mean squares; outputs: the same without gradients. Values
 * that change from step to step are passed to each parameter's update as scalars, so that an engine can compile it.
 * `EspalierAdamWByNorm` has one more input, the gradients' norm.
 */
export const adamwStepOp: Op = {
  kernels: [
    { name: 'EspalierAdamWStep', compute: (inputs, attributes) => updateAll(inputs.all(), attributes) },
    {
      name: 'EspalierAdamWByNorm',
      compute: (inputs, attributes) => {
        const all = inputs.all();
        return updateAll(all.slice(0, -1), attributes, at(all, all.length - 1));
      },
    },
    {
      name: 'EspalierAdamWUpdate',
      compute: (inputs, attributes) => {
        const gradient = inputs.get('gradient');
        const mean = tf.mul(inputs.get('expAvg'), attributes.number('beta1'));
        const expAvg = tf.add(mean, tf.mul(gradient, inputs.get('gradientShare')));
        const meanSquare = tf.mul(inputs.get('expAvgSq'), attributes.number('beta2'));
        const expAvgSq = tf.add(meanSquare, tf.mul(tf.square(gradient), inputs.get('squareShare')));
        const deviation = tf.mul(tf.sqrt(expAvgSq), inputs.get('deviationScale'));
        const direction = tf.div(expAvg, tf.add(deviation, attributes.number('epsilon')));
        const decayed = tf.mul(inputs.get('parameter'), inputs.get('decay'));
        return [tf.sub(decayed, tf.mul(direction, inputs.get('rate'))), expAvg, expAvgSq];
      },
    },
  ],
  gradients: [],
};

/** @param norm of the gradients: clips, and where it is not finite, results are what they were */
function updateAll(all: readonly tf.Tensor[], attributes: Attributes, norm?: tf.Tensor): tf.Tensor[] {
  const scalars = scalarsOf(attributes);
  const clip = norm === undefined ? 0 : attributes.number('gradClip');
  if (norm !== undefined && clip > 0) {
    const scale = tf.minimum(tf.div(clip, tf.add(norm, CLIP_EPSILON)), 1);
    scalars.gradientShare = tf.mul(scalars.gradientShare, scale);
    scalars.squareShare = tf.mul(tf.mul(scalars.squareShare, scale), scale);
  }
  const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
  const fixed = { beta1, beta2, epsilon: attributes.number('epsilon') };
  const weightDecays = attributes.numbers('weightDecays');
  const decayOf = (weightDecay: number): tf.Scalar => tf.scalar(1 - attributes.number('learningRate') * weightDecay);
  const decays = new Map([...new Set(weightDecays)].map((each) => [each, decayOf(each)]));
  const updated = weightDecays.map((weightDecay, index) => {
    const group = (which: number): tf.Tensor => at(all, which * weightDecays.length + index);
    const [parameter, gradient, expAvg, expAvgSq] = [group(0), group(1), group(2), group(3)];
    const tensors = present({ parameter, gradient, expAvg, expAvgSq, decay: decays.get(weightDecay) });
    const made = runKernelForAll('EspalierAdamWUpdate', { ...tensors, ...scalars }, fixed);
    if (norm === undefined) return made;
    const before = [parameter, expAvg, expAvgSq];
    return made.map((tensor, which) => tf.where(tf.isFinite(norm), tensor, at(before, which)));
  });
  return [0, 1, 2].flatMap((which) => updated.map((tensors) => at(tensors, which)));
}

type Scalars = Record<'gradientShare' | 'squareShare' | 'deviationScale' | 'rate', tf.Tensor>;

function scalarsOf(attributes: Attributes): Scalars {
  const [beta1, beta2] = [attributes.number('beta1'), attributes.number('beta2')];
  const [step, scale] = [attributes.number('step'), attributes.number('gradientScale')];
  return {
    gradientShare: tf.scalar((1 - beta1) * scale),
    squareShare: tf.scalar((1 - beta2) * scale ** 2),
    deviationScale: tf.scalar(1 / Math.sqrt(1 - beta2 ** step)),
    rate: tf.scalar(attributes.number('learningRate') / (1 - beta1 ** step)),
  };
}
