import { z } from 'zod';

export const distillationOptions = z
  .strictObject({
    teacher: z
      .string()
      .min(1, 'name a run, a checkpoint or a Hugging Face model')
      .describe(
        'the model to learn from: a run, a checkpoint, or a folder or name of a Hugging Face model, as init takes it',
      ),
    weight: z.number().min(0).default(1).describe('what the divergence from the teacher counts; 0 turns it off'),
    cross_entropy: z.number().min(0).default(1).describe('what cross-entropy with the targets counts beside it'),
    temperature: z.number().gt(0).default(2).describe('divides the logits of both models in the divergence'),
  })
  .meta({ resume: 'warn' });
export type DistillationOptions = z.output<typeof distillationOptions>;
