import { z } from 'zod';

export const remapOptions = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .describe('mapping written by `espalier vocab build`')
      .meta({ aka: ['vocab_remapping_file'] }),
    accuracy_iters: z
      .int()
      .min(0)
      .default(20)
      .describe('validation batches to measure val/core_accuracy on, at each evaluation; 0: do not measure')
      .meta({ resume: 'free' }),
  })
  .meta({ resume: 'fixed' });
export type RemapOptions = z.output<typeof remapOptions>;
