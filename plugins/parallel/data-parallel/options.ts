import { z } from 'zod';

export const optionsSchema = z
  .strictObject({
    bucket_mb: z
      .number()
      .positive()
      .max(512)
      .default(1)
      .describe('size of a gradient bucket in megabytes: some buckets are sent while others are computed'),
    overlap: z.boolean().default(true).describe('send gradients while the backward pass is running; false: after it'),
    wire: z
      .enum(['f32', 'bf16'])
      .default('f32')
      .describe('number format of gradients on the network; bf16 halves the bytes and keeps 8 significant bits')
      .meta({ resume: 'warn' }),
    interval: z.int().min(1).default(10).describe('iterations between metrics'),
    library: z.string().min(1).optional().describe('file of the MPI library (default: the launcher’s)'),
  })
  .meta({ resume: 'free' });

export type Options = z.output<typeof optionsSchema>;
