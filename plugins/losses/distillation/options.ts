import { z } from 'zod';

export const distillationOptions = z
  .strictObject({
    teacher: z
      .string()
      .min(1, 'give a run, a checkpoint or a Hugging Face model')
      .describe('model to learn from: a run, a checkpoint, or the folder or name of a Hugging Face model, as for init'),
    weight: z.number().min(0).default(1).describe('weight of the divergence from the teacher; 0 disables it'),
    cross_entropy: z.number().min(0).default(1).describe('weight of the cross-entropy with the targets'),
    temperature: z
      .number()
      .gt(0)
      .default(2)
      .describe('temperature: divides the logits of both models in the divergence'),
  })
  .meta({ resume: 'warn' });
export type DistillationOptions = z.output<typeof distillationOptions>;
