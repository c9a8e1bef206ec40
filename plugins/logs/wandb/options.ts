import { z } from 'zod';

const name = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^/\\#?%:]+$/, 'none of / \\ # ? % :');

export const options = z
  .strictObject({
    mode: z
      .enum(['auto', 'online', 'offline', 'disabled'])
      .default('auto')
      .describe(
        'online: upload while training; offline: write the files that `wandb sync` uploads; disabled: nothing; auto: WANDB_MODE, else online where there is an API key, else offline',
      ),
    project: name
      .optional()
      .describe('project on the server; else WANDB_PROJECT, else espalier')
      .meta({ aka: ['wandb_project'] }),
    entity: name.optional().describe('user or team; else WANDB_ENTITY, else the key’s owner'),
    name: z
      .string()
      .min(1)
      .optional()
      .describe('name that is shown; else WANDB_NAME, else run.name and the time')
      .meta({ aka: ['wandb_run_name'] }),
    id: name.optional().describe('id on the server; else the checkpoint’s, else WANDB_RUN_ID, else a new one'),
    group: z.string().min(1).optional().describe('group that the run is shown in; else WANDB_RUN_GROUP'),
    job_type: z.string().min(1).optional().describe('what kind of run of its group it is; else WANDB_JOB_TYPE'),
    tags: z.array(z.string().min(1)).optional().describe('tags; else WANDB_TAGS, with commas'),
    notes: z.string().optional().describe('a longer description; else WANDB_NOTES'),
    dir: z
      .string()
      .min(1)
      .optional()
      .describe('folder that `wandb/` is made in; else WANDB_DIR, else the run’s folder'),
    base_url: z.url().optional().describe('the server; else WANDB_BASE_URL, else https://api.wandb.ai'),
    console: z.boolean().default(true).describe('send what is printed too'),
    interval: z.number().positive().default(5).describe('seconds between uploads'),
    finish_timeout: z.number().min(0).default(30).describe('most seconds that the end of the run waits for the upload'),
    retry: z
      .strictObject({
        first: z.number().positive().default(1).describe('seconds before the first try again; each wait is doubled'),
        most: z.number().positive().default(60).describe('longest wait, in seconds'),
        give_up_after: z
          .number()
          .min(0)
          .default(3600)
          .describe('seconds without an answer after which the run goes on offline'),
      })
      .prefault({})
      .describe('when the server does not answer'),
  })
  .meta({ resume: 'free' });
export type Options = z.output<typeof options>;
export const nameSchema = name;
