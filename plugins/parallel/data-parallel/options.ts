import { z } from 'zod';

export const optionsSchema = z
  .strictObject({
    bucket_mb: z
      .number()
      .positive()
      .max(512)
      .default(1)
      .describe(
        'megabytes of gradients that travel at a time: some are on their way while others are computed or summed',
      ),
    overlap: z
      .boolean()
      .default(true)
      .describe('gradients travel while the backward pass computes others; false: when it is over'),
    wire: z
      .enum(['f32', 'bf16'])
      .default('f32')
      .describe('how gradients travel: bf16 is half the bytes, and keeps 8 bits of each number')
      .meta({ resume: 'warn' }),
    interval: z.int().min(1).default(10).describe('iterations between its metrics'),
    library: z.string().min(1).optional().describe('file of the MPI library; the one of the launcher when not given'),
  })
  .meta({ resume: 'free' });

export type Options = z.output<typeof optionsSchema>;
