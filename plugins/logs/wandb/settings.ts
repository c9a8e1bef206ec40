import path from 'node:path';
import { homedir } from 'node:os';
import { z } from 'zod';
import { UsageError } from '../../../core/index.js';
import { readTextFile } from '../../files/contract.js';

const nameSchema = z
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
        'online: upload while training; offline: write files for `wandb sync`; disabled: do nothing; auto: WANDB_MODE, else online if there is an API key, else offline',
      ),
    project: nameSchema
      .optional()
      .describe('project on the server; else WANDB_PROJECT, else espalier')
      .meta({ aka: ['wandb_project'] }),
    entity: nameSchema.optional().describe('user or team; else WANDB_ENTITY, else the key’s owner'),
    name: z
      .string()
      .min(1)
      .optional()
      .describe('display name; else WANDB_NAME, else run.name and the time')
      .meta({ aka: ['wandb_run_name'] }),
    id: nameSchema.optional().describe('id on the server; else the checkpoint’s, else WANDB_RUN_ID, else a new one'),
    group: z.string().min(1).optional().describe('group of the run; else WANDB_RUN_GROUP'),
    job_type: z.string().min(1).optional().describe('job type within the group; else WANDB_JOB_TYPE'),
    tags: z.array(z.string().min(1)).optional().describe('tags; else WANDB_TAGS, separated by commas'),
    notes: z.string().optional().describe('a longer description; else WANDB_NOTES'),
    dir: z.string().min(1).optional().describe('folder to create `wandb/` in; else WANDB_DIR, else the run folder'),
    base_url: z.url().optional().describe('the server; else WANDB_BASE_URL, else https://api.wandb.ai'),
    console: z.boolean().default(true).describe('also send the log lines'),
    interval: z.number().positive().default(5).describe('seconds between uploads'),
    finish_timeout: z.number().min(0).default(30).describe('seconds to wait for the upload at the end of the run'),
    retry: z
      .strictObject({
        first: z.number().positive().default(1).describe('seconds before the first retry; doubled after each'),
        most: z.number().positive().default(60).describe('longest wait between retries, in seconds'),
        give_up_after: z
          .number()
          .min(0)
          .default(3600)
          .describe('seconds without an answer before the run continues offline'),
      })
      .prefault({})
      .describe('what to do if the server does not answer'),
  })
  .meta({ resume: 'free' });
export type Options = z.output<typeof options>;

/** Settings from the config and the environment; the config wins. */
export interface Settings {
  readonly mode: 'online' | 'offline' | 'disabled';
  /** Set if `mode` is online. */
  readonly apiKey: string | undefined;
  readonly baseUrl: string;
  readonly project: string;
  readonly entity: string | undefined;
  readonly name: string | undefined;
  /** The config's id overrides the checkpoint's; the environment's does not. */
  readonly id: { readonly config: string | undefined; readonly environment: string | undefined };
  readonly group: string | undefined;
  readonly jobType: string | undefined;
  readonly tags: readonly string[];
  readonly notes: string | undefined;
  readonly dir: string | undefined;
  readonly host: string | undefined;
  readonly console: boolean;
}

const MODES: Readonly<Record<string, Settings['mode']>> = {
  online: 'online',
  run: 'online',
  offline: 'offline',
  dryrun: 'offline',
  disabled: 'disabled',
};
const KEY_LENGTH = 40;

/** Reads the settings. @throws UsageError for invalid variables, and for an API key that is missing or cut off */
export function settingsOf(options: Options, environment: Environment): Settings {
  const from = (variable: string): string | undefined => {
    const value = environment[variable]?.trim();
    return value === '' ? undefined : value;
  };
  const named = (variable: string): string | undefined => checkedName(variable, from(variable));
  const baseUrl = (options.base_url ?? checkedUrl(from('WANDB_BASE_URL')) ?? 'https://api.wandb.ai').replace(
    /\/+$/,
    '',
  );
  const given = options.mode === 'auto' ? modeIn(from('WANDB_MODE')) : options.mode;
  const needsKey = given === undefined || given === 'online';
  const apiKey = needsKey ? (from('WANDB_API_KEY') ?? keyFromNetrc(new URL(baseUrl).host, environment)) : undefined;
  if (given === 'online' && apiKey === undefined) throw noKey(options, baseUrl);
  if (apiKey !== undefined) checkKey(apiKey);
  const asked = given ?? (apiKey === undefined ? 'offline' : 'online');
  return {
    mode: asked === 'online' && from('ESPALIER_REHEARSAL') !== undefined ? 'offline' : asked,
    apiKey,
    baseUrl,
    project: options.project ?? named('WANDB_PROJECT') ?? 'espalier',
    entity: options.entity ?? named('WANDB_ENTITY'),
    name: options.name ?? from('WANDB_NAME'),
    id: { config: options.id, environment: named('WANDB_RUN_ID') },
    group: options.group ?? from('WANDB_RUN_GROUP'),
    jobType: options.job_type ?? from('WANDB_JOB_TYPE'),
    tags:
      options.tags ??
      from('WANDB_TAGS')
        ?.split(',')
        .filter((tag) => tag !== '') ??
      [],
    notes: options.notes ?? from('WANDB_NOTES'),
    dir: options.dir ?? from('WANDB_DIR'),
    host: from('WANDB_HOST'),
    console: options.console && from('WANDB_CONSOLE') !== 'off',
  };
}

function modeIn(value: string | undefined): Settings['mode'] | undefined {
  if (value === undefined) return undefined;
  const mode = MODES[value];
  if (mode !== undefined) return mode;
  throw new UsageError(
    'ESP_WANDB_SETTING',
    `WANDB_MODE is ${value}: set it to one of ${Object.keys(MODES).join(', ')}`,
  );
}

function checkedName(variable: string, value: string | undefined): string | undefined {
  if (value === undefined || nameSchema.safeParse(value).success) return value;
  throw new UsageError(
    'ESP_WANDB_SETTING',
    `${variable} is ${JSON.stringify(value)}: a W&B name has none of / \\ # ? % : and at most 128 characters`,
  );
}

function checkedUrl(value: string | undefined): string | undefined {
  if (value === undefined || URL.canParse(value)) return value;
  throw new UsageError('ESP_WANDB_SETTING', `WANDB_BASE_URL is ${value}: write it as https://HOST`);
}

function noKey(options: Options, baseUrl: string): UsageError {
  const who = options.mode === 'online' ? 'plugins.wandb.mode is online' : 'WANDB_MODE is online';
  return new UsageError(
    'ESP_WANDB_KEY',
    `${who}, but there is no API key for ${baseUrl}: set WANDB_API_KEY, run \`wandb login\`, or set mode to offline and upload later with \`wandb sync\``,
  );
}

/** Checks a key's form: 40 or 86 characters, on self-hosted servers after a word and a dash (`local-…`). */
function checkKey(key: string): void {
  const secret = key.replace(/^[A-Za-z]+-/, '');
  if (secret.length >= KEY_LENGTH && /^[\w.-]+$/.test(secret)) return;
  throw new UsageError(
    'ESP_WANDB_KEY',
    `the W&B API key has ${secret.length} characters, or characters other than letters, digits, _, - and .: a key has ${KEY_LENGTH} or more; copy it again from the server's page /authorize`,
  );
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the key that `wandb login` stored for a host, from where the Python client looks for it. */
export function keyFromNetrc(host: string, environment: Environment): string | undefined {
  const named = environment['NETRC'];
  const files =
    named !== undefined && named !== ''
      ? [named.replace(/^~(?=\/)/, homedir())]
      : ['.netrc', '_netrc'].map((name) => path.join(homedir(), name));
  for (const file of files) {
    try {
      return passwordIn(readTextFile(file), host);
    } catch {
      // The file does not exist.
    }
  }
  return undefined;
}

/** Parses a netrc file: `machine HOST login … password …` in any layout; `default` stands for all hosts. */
function passwordIn(text: string, host: string): string | undefined {
  const words = text
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, ''))
    .join(' ')
    .split(/\s+/);
  const found = new Map<string, string>();
  let machine: string | undefined;
  for (let at = 0; at < words.length; at++) {
    if (words[at] === 'machine') machine = words[++at];
    else if (words[at] === 'default') machine = '';
    else if (words[at] === 'login' || words[at] === 'account') at++;
    else if (words[at] === 'password') {
      const password = words[++at];
      if (machine !== undefined && password !== undefined) found.set(machine, password);
    }
  }
  return found.get(host) ?? found.get('');
}
