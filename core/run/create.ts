import path from 'node:path';
import type { z } from 'zod';
import type { coreSchema } from '../config/schema.js';
import { slotKeys } from '../config/slot-keys.js';
import type { CodeLayer } from '../config/configs.js';
import { usageErrorIn } from '../errors.js';
import type { LogSink } from '../logger.js';
import type { PluginClass, Slot } from '../plugins/plugin.js';
import { foundClass, type FoundPlugin } from '../families/load.js';
import { loggerTo, Terminal } from '../terminal.js';
import type { RunRequest } from './make.js';
import type { Run } from './run.js';
import type { StartOptions } from './start.js';

/** A plugin by name, or with its options: `{ use: 'gpt', n_layer: 2 }`. */
export type SlotSettings = string | Readonly<Record<string, unknown>>;

/** Settings in the shape of a config file. */
export type RunSettings = Partial<z.input<typeof coreSchema>> &
  Partial<Record<Exclude<Slot, 'tokenizer'>, SlotSettings>> & {
    /** Presets that these settings override. */
    readonly extends?: string | readonly string[];
    /** Features by name, with their options; true turns one on, false off. */
    readonly plugins?: Readonly<Record<string, boolean | Readonly<Record<string, unknown>> | null>>;
  };

/** A plugin, by class or name, with its options if it has any. */
export type PluginChoice =
  PluginClass | string | readonly [plugin: PluginClass | string, options: Readonly<Record<string, unknown>>];

/** The choice, with options that match the class's static `options`. */
type Typed<Choice> = Choice extends readonly [infer Class extends { readonly options: z.ZodType }, infer Given]
  ? readonly [Class, Only<z.input<Class['options']>, keyof Given>]
  : Choice;
/** Rejects keys that the options do not have. */
type Only<Options, Keys extends PropertyKey> = Options & Readonly<Record<Exclude<Keys, keyof Options>, never>>;

/** The sources of a run's config; later entries override earlier ones. */
export interface RunOptions<Choice extends PluginChoice = PluginChoice>
  extends StartOptions, Pick<RunRequest, 'set' | 'passing' | 'terminal' | 'inMemory' | 'host'> {
  /** Path of a config file; true: the one in `cwd`, if there is one. */
  readonly configFile?: string | boolean;
  /** Presets by name or path; later ones override earlier ones. */
  readonly presets?: string | readonly string[] | undefined;
  /** Settings in the shape of a config file. */
  readonly config?: RunSettings;
  /** Further plugins to turn on. A class for a slot replaces the plugin that the config names. */
  readonly plugins?: readonly (Choice & Typed<Choice>)[];
  /** Folder that paths are relative to. Default: the process's working folder. */
  readonly cwd?: string;
  /** Called with each line that a terminal would print. */
  readonly log?: LogSink;
  /** Create everything but claim nothing, to inspect what would run. */
  readonly dryRun?: boolean;
}

/**
 * Creates a run that is ready to train: the config is composed and checked, plugins are made, the run folder is
 * claimed, data and weights are loaded, and the run is resumed if requested. It prints nothing, handles no signals and
 * never ends the process.
 *
 * Runs that exist at the same time share one engine. Call `dispose` at the end, or use `await using`.
 * @throws UsageError with the same code and message as `espalier train`
 */
export async function createRun<Choice extends PluginChoice = PluginChoice>(
  options: RunOptions<Choice> = {},
): Promise<Run> {
  const { terminal = Terminal.silent(), log: sink, ...rest } = options;
  const logger = loggerTo(terminal);
  if (sink !== undefined) logger.addSink(sink);
  try {
    // Imported here, because every plugin imports `espalier` and few create runs.
    const { startRun } = await import('./start.js');
    const { run } = await startRun({ ...requestOf(rest), terminal, logger }, options.dryRun);
    return run;
  } catch (thrown) {
    throw usageErrorIn(thrown) ?? thrown;
  }
}

function requestOf({
  configFile = false,
  presets = [],
  config,
  plugins = [],
  cwd,
  ...rest
}: Omit<RunOptions, 'log'>): RunRequest {
  const chosen = plugins.map((choice, index) => chosenPlugin(choice, `plugins[${String(index)}]`));
  const given = chosen.flatMap(({ found }) => (found === undefined ? [] : [found]));
  return {
    ...rest,
    cwd: cwd === undefined ? process.cwd() : path.resolve(cwd),
    ...(configFile === true ? {} : { configFile }),
    presets: typeof presets === 'string' ? [presets] : presets,
    classes: new Map(given.map((found) => [found.options.name, found])),
    code: [
      ...(config === undefined ? [] : [{ source: 'config', settings: config }]),
      ...chosen.map(({ layer }) => layer),
    ],
  };
}

/** A plugin from the list, and the settings that turn it on. */
interface Chosen {
  readonly found: FoundPlugin | undefined;
  readonly layer: CodeLayer;
}

function chosenPlugin(choice: PluginChoice, source: string): Chosen {
  const [plugin, options] = typeof choice === 'string' || typeof choice === 'function' ? [choice, {}] : choice;
  const found = typeof plugin === 'string' ? undefined : foundClass(plugin, source);
  const name = typeof plugin === 'string' ? plugin : (found?.options.name ?? '');
  const slot = found?.options.slot;
  const settings =
    slot === undefined
      ? { plugins: { [name]: options } }
      : slotKeys[slot].path.reduceRight<Record<string, unknown>>((inner, key) => ({ [key]: inner }), {
          ...options,
          [slotKeys[slot].key]: name,
        });
  return { found, layer: { source, settings } };
}
