import { z } from 'zod';
import { decidingSchema } from './kept.js';

export const options = z
  .strictObject({
    keep: z
      .strictObject({
        last: z.int().min(1).default(3).describe('newest checkpoints to keep, not counting emergency ones'),
        best: z.int().min(0).default(1).describe('best checkpoints to keep too, by `best.metric`'),
        every: z
          .int()
          .min(0)
          .default(0)
          .describe('also keep checkpoints at multiples of this many iterations; 0: none'),
      })
      .prefault({})
      .describe('which checkpoints to keep'),
    best: decidingSchema.prefault({}).describe('how to choose the best checkpoints'),
    interval: z
      .int()
      .min(0)
      .default(0)
      .describe('iterations between checkpoints; 0: one at each evaluation')
      .meta({ aka: ['every_n_train_steps', 'save_interval', 'save_steps'] }),
    background: z.boolean().default(true).describe('write while training continues; false: training waits'),
    on_error: z
      .enum(['continue', 'stop'])
      .default('continue')
      .describe('if a checkpoint cannot be written (disk full): continue and try again at the next one, or stop'),
  })
  .meta({ resume: 'free' });
export type CheckpointOptions = z.output<typeof options>;
