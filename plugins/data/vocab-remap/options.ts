import { z } from 'zod';

export const remapOptions = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .describe('the mapping that `espalier vocab build` wrote')
      .meta({ aka: ['vocab_remapping_file'] }),
    accuracy_iters: z
      .int()
      .min(0)
      .default(20)
      .describe('validation batches that val/core_accuracy is measured on, at each evaluation; 0: not measured')
      .meta({ resume: 'free' }),
  })
  .meta({ resume: 'fixed' });
export type RemapOptions = z.output<typeof remapOptions>;
