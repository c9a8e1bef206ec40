import { z } from 'zod';

const policies = ['warn', 'skip', 'stop', 'rollback'] as const;
export type Policy = (typeof policies)[number];

const MEANING =
  'warn; skip: skip the optimizer step; stop: save an emergency checkpoint and stop; rollback: go back to the last checkpoint and continue with other data';

const spike = (what: string, times: number) =>
  z
    .strictObject({
      policy: z.enum(policies).default('warn').describe(`what to do at a spike of the ${what}: ${MEANING}`),
      times: z
        .number()
        .gt(1)
        .default(times)
        .describe('a value above this many times the median of the last `window` values is a spike'),
      above: z
        .number()
        .gt(0)
        .nullable()
        .default(null)
        .describe('a value above this is also a spike, from the first iteration; null: no limit'),
    })
    .prefault({})
    .describe(`spikes of the ${what}`);

export const options = z
  .strictObject({
    interval: z.int().min(1).default(1).describe('iterations between checks of gradients and training loss'),
    non_finite: z
      .strictObject({
        gradients: z.enum(policies).default('stop').describe(`gradients that are NaN or infinite: ${MEANING}`),
        loss: z.enum(policies).default('stop').describe('a training loss that is NaN or infinite: the same choices'),
        weights: z
          .enum(['warn', 'stop', 'rollback'])
          .default('stop')
          .describe(
            'weights that are NaN or infinite, checked at evaluations, at checkpoints, and when the loss is: the same choices',
          ),
      })
      .prefault({})
      .describe('what to do about NaN and infinite numbers'),
    spikes: z
      .strictObject({
        grad_norm: spike('gradients’ global norm', 10),
        loss: spike('training loss', 2),
        window: z
          .int()
          .min(2)
          .default(100)
          .describe('number of values in the running median; detection starts once it is full'),
      })
      .prefault({})
      .describe('values far above their recent median'),
    tensors: z
      .boolean()
      .default(true)
      .describe('warn once about leaked tensors, and name the plugin that creates them'),
    max_rollbacks: z.int().min(1).default(3).describe('rollbacks allowed; the next fault that needs one stops the run'),
  })
  .meta({ resume: 'free' });
