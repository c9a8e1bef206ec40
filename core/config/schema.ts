import { z } from 'zod';
import { token } from '../contracts/token.js';

/** Names of a run are names of folders, on any system. */
const RESERVED_NAME = /^\.+$|\.$|^-|^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;
const MAX_NAME = 200;

const iterations = z.int().min(0);

/** The core's part of a config; slots and features are checked by their plugins' own schemas. */
export const coreSchema = z.strictObject({
  seed: z.int().min(0).default(1337).describe('seed of every random number of the run').meta({ resume: 'fixed' }),
  precision: z
    .enum(['auto', 'f32', 'bf16'])
    .default('auto')
    .describe(
      'number format of the operands of matrix products (sums, weights and optimizer are f32); auto: bf16 where the engine trains faster in it',
    )
    .meta({ resume: 'warn', aka: ['dtype'] }),
  init: z
    .string()
    .default('scratch')
    .describe(
      'scratch: new weights; resume: the newest checkpoint of the run; or weights to start from: the folder of a checkpoint or of a run, or pretrained weights that a plugin of the run can read',
    )
    .meta({ resume: 'free', aka: ['init_from'] }),
  resume: z
    .string()
    .min(1)
    .default('never')
    .describe(
      'never; auto: go on where the run’s folder holds a checkpoint, else start; or the folder of a run or checkpoint to go on from',
    )
    .meta({ resume: 'free' }),
  run: z
    .strictObject({
      name: z
        .string()
        .max(MAX_NAME)
        .regex(/^[\w.-]+$/, 'letters, digits, . _ and - only')
        .refine(
          (name) => !RESERVED_NAME.test(name),
          'a name that a folder can have: not of dots alone, not ending with one or starting with -, nor one that Windows reserves (con, nul, com1, ...)',
        )
        .default('run')
        .describe('name of the run'),
      dir: z
        .string()
        .min(1)
        .optional()
        .describe('folder of the run; runs/NAME when not given')
        .meta({ aka: ['default_root_dir', 'out_dir', 'output_dir'] }),
    })
    .prefault({})
    .describe('where the run leaves its files')
    .meta({ resume: 'free' }),
  train: z
    .strictObject({
      max_iters: iterations
        .default(2000)
        .describe('iterations the run ends at')
        .meta({ aka: ['iterations', 'iters', 'max_steps', 'num_steps', 'steps', 'train_steps'] }),
      batch_size: z
        .int()
        .min(1)
        .default(12)
        .describe('windows in a micro-batch, of each rank where several train')
        .meta({ aka: ['batch', 'bs', 'micro_batch_size', 'per_device_train_batch_size'] }),
      gradient_accumulation_steps: z
        .int()
        .min(1)
        .default(1)
        .describe('micro-batches an iteration')
        .meta({ aka: ['accumulate_grad_batches', 'grad_accum', 'grad_accum_steps', 'gradient_accumulation'] }),
      grad_clip: z
        .number()
        .min(0)
        .default(1)
        .describe('largest global norm of the gradients; 0 clips nothing')
        .meta({ aka: ['clip', 'gradient_clip_val', 'max_grad_norm'] }),
    })
    .prefault({})
    .describe('the loop')
    .meta({ resume: 'free' }),
});
/** The core's settings that are no sections. */
export const coreScalars: readonly string[] = ['seed', 'precision', 'init', 'resume'] satisfies (keyof CoreConfig)[];

export type CoreConfig = z.output<typeof coreSchema>;

/** The core's part of the composed config. Inject it with `@inject(RunConfig)`. */
export const RunConfig = token<CoreConfig>('RunConfig');
export type RunConfig = CoreConfig;
