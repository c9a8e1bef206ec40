import { z } from 'zod';

const policies = ['warn', 'skip', 'stop', 'rollback'] as const;
export type Policy = (typeof policies)[number];

const MEANING =
  'warn; skip: leave the optimizer’s step out; stop, with an emergency checkpoint; rollback: go back to the last checkpoint and on with other data';

const spike = (what: string, times: number) =>
  z
    .strictObject({
      policy: z.enum(policies).default('warn').describe(`what a spike of the ${what} leads to: ${MEANING}`),
      times: z.number().gt(1).default(times).describe('a spike is over so many times the median of the last `window`'),
      above: z
        .number()
        .gt(0)
        .nullable()
        .default(null)
        .describe('a spike is over this, too, from the first iteration on; null: no such limit'),
    })
    .prefault({})
    .describe(`spikes of the ${what}`);

export const options = z
  .strictObject({
    interval: z.int().min(1).default(1).describe('iterations between checks of gradients and training loss'),
    non_finite: z
      .strictObject({
        gradients: z.enum(policies).default('stop').describe(`gradients that are NaN or infinite: ${MEANING}`),
        loss: z.enum(policies).default('stop').describe('a training loss that is NaN or infinite: likewise'),
        weights: z
          .enum(['warn', 'stop', 'rollback'])
          .default('stop')
          .describe('weights that are NaN or infinite, at evaluations, checkpoints, and when the loss is: likewise'),
      })
      .prefault({})
      .describe('what numbers that are not finite lead to'),
    spikes: z
      .strictObject({
        grad_norm: spike('gradients’ global norm', 10),
        loss: spike('training loss', 2),
        window: z
          .int()
          .min(2)
          .default(100)
          .describe('values that a median is of; spikes are looked for once it is full'),
      })
      .prefault({})
      .describe('values far over what they were lately'),
    tensors: z
      .boolean()
      .default(true)
      .describe('warn once of tensors that pile up, and name the plugin that makes them'),
    max_rollbacks: z.int().min(1).default(3).describe('the next fault that asks for one more stops the run'),
  })
  .meta({ resume: 'free' });
