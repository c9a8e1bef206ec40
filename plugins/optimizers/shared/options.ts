import { z } from 'zod';
import { groupOptions } from './groups.js';

/** Returns the options that every optimizer has, with the given defaults. */
export function commonOptions({ learningRate, weightDecay }: { learningRate: number; weightDecay: number }) {
  return {
    learning_rate: z
      .number()
      .min(0)
      .default(learningRate)
      .describe('learning rate that the schedule scales')
      .meta({ aka: ['lr', 'max_lr', 'rate'] }),
    weight_decay: z
      .number()
      .min(0)
      .default(weightDecay)
      .describe('weight decay of tensors with two or more dimensions; others have none')
      .meta({ aka: ['decay', 'wd'] }),
    groups: groupOptions,
  };
}

/** Decay of a running mean: the share kept in each step. */
export const share = z.number().min(0).lt(1);

/** AdamW's decay rates and epsilon. */
export const adamwOptions = {
  beta1: share.default(0.9).describe('decay of the mean of gradients'),
  beta2: share.default(0.99).describe('decay of the mean of squared gradients'),
  eps: z.number().gt(0).default(1e-8).describe('added to the denominator'),
};
