import { z } from 'zod';
import { token } from '../contracts/token.js';

/** A run's name becomes a folder name, so it must be valid on every system. */
const RESERVED_NAME = /^\.+$|\.$|^-|^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;
const MAX_NAME = 200;

const iterations = z.int().min(0);

/** Schema of the core's settings; slots and features are checked with their plugins' schemas. */
export const coreSchema = z.strictObject({
  seed: z.int().min(0).default(1337).describe('seed of every random number of the run').meta({ resume: 'fixed' }),
  precision: z
    .enum(['auto', 'f32', 'bf16'])
    .default('auto')
    .describe(
      'number format of matrix product operands (sums, weights and optimizer state stay f32); auto: bf16 if it is faster on this engine',
    )
    .meta({ resume: 'warn', aka: ['dtype'] }),
  init: z
    .string()
    .default('scratch')
    .describe(
      'initial weights; scratch: new ones; resume: the newest checkpoint of the run; or a checkpoint, a run, or pretrained weights that a plugin of the run can read',
    )
    .meta({ resume: 'free', aka: ['init_from'] }),
  resume: z
    .string()
    .min(1)
    .default('never')
    .describe(
      'never; auto: resume if the run folder has a checkpoint, else start; or the folder of a run or checkpoint to resume from',
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
          'must be a valid folder name: not only dots, no dot at the end, no - at the start, and not reserved by Windows (con, nul, com1, ...)',
        )
        .default('run')
        .describe('name of the run'),
      dir: z
        .string()
        .min(1)
        .optional()
        .describe('run folder (default: runs/NAME)')
        .meta({ aka: ['default_root_dir', 'out_dir', 'output_dir'] }),
    })
    .prefault({})
    .describe('name and folder of the run')
    .meta({ resume: 'free' }),
  train: z
    .strictObject({
      max_iters: iterations
        .default(2000)
        .describe('number of iterations to train')
        .meta({ aka: ['iterations', 'iters', 'max_steps', 'num_steps', 'steps', 'train_steps'] }),
      batch_size: z
        .int()
        .min(1)
        .default(12)
        .describe('windows in a micro-batch, per rank')
        .meta({ aka: ['batch', 'bs', 'micro_batch_size', 'per_device_train_batch_size'] }),
      gradient_accumulation_steps: z
        .int()
        .min(1)
        .default(1)
        .describe('micro-batches per iteration')
        .meta({ aka: ['accumulate_grad_batches', 'grad_accum', 'grad_accum_steps', 'gradient_accumulation'] }),
      grad_clip: z
        .number()
        .min(0)
        .default(1)
        .describe('clip gradients to this global norm; 0 disables clipping')
        .meta({ aka: ['clip', 'gradient_clip_val', 'max_grad_norm'] }),
    })
    .prefault({})
    .describe('training loop')
    .meta({ resume: 'free' }),
});
/** The core's top-level settings that are not sections. */
export const coreScalars: readonly string[] = ['seed', 'precision', 'init', 'resume'] satisfies (keyof CoreConfig)[];

export type CoreConfig = z.output<typeof coreSchema>;

/** The core's part of the composed config. Inject it with `@inject(RunConfig)`. */
export const RunConfig = token<CoreConfig>('RunConfig');
export type RunConfig = CoreConfig;
