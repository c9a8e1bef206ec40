import { z } from 'zod';
import { entrySchema } from './file.js';

export const options = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe('schedule file, YAML or JSON; completion flags are written back to it')
      .meta({ aka: ['scaling_schedule_file'] }),
    operations: z
      .array(entrySchema)
      .optional()
      .describe('the schedule itself, instead of a file; checkpoints keep which operations are completed'),
  })
  .meta({ resume: 'free' })
  .check(({ value, issues }) => {
    if ((value.file === undefined) !== (value.operations === undefined)) return;
    issues.push({ code: 'custom', input: value, path: ['file'], message: 'give one of file and operations' });
  });
