import path from 'node:path';
import type { z } from 'zod';
import type { coreSchema } from '../config/schema.js';
import { slotKeys } from '../config/slot-keys.js';
import type { CodeLayer } from '../config/configs.js';
import { usageErrorIn } from '../errors.js';
import type { LogSink } from '../logger.js';
import type { PluginClass, Slot } from '../plugins/plugin.js';
import { foundClass, type FoundPlugin } from '../families/resolve.js';
import { loggerTo, Terminal } from '../terminal.js';
import type { RunRequest } from './make.js';
import type { Run } from './run.js';
import type { StartOptions } from './start.js';

/** A plugin by its name, or what fills a slot with its options: `{ use: 'gpt', n_layer: 2 }`. */
export type SlotSettings = string | Readonly<Record<string, unknown>>;

/** Settings in the shape of a config file. */
export type RunSettings = Partial<z.input<typeof coreSchema>> &
  Partial<Record<Exclude<Slot, 'tokenizer'>, SlotSettings>> & {
    /** Presets that these settings are over. */
    readonly extends?: string | readonly string[];
    /** Features by name, with their options; true turns one on, false off. */
    readonly plugins?: Readonly<Record<string, boolean | Readonly<Record<string, unknown>> | null>>;
  };

/** A plugin, by its class or its name, with its options where it has any. */
export type PluginChoice =
  PluginClass | string | readonly [plugin: PluginClass | string, options: Readonly<Record<string, unknown>>];

/** The choice, with options that the class's static `options` takes. */
type Typed<Choice> = Choice extends readonly [infer Class extends { readonly options: z.ZodType }, infer Given]
  ? readonly [Class, Only<z.input<Class['options']>, keyof Given>]
  : Choice;
/** With no other keys than its own. */
type Only<Options, Keys extends PropertyKey> = Options & Readonly<Record<Exclude<Keys, keyof Options>, never>>;

/** What a run is made of; later entries are over earlier ones. */
export interface RunOptions<Choice extends PluginChoice = PluginChoice>
  extends StartOptions, Pick<RunRequest, 'set' | 'passing' | 'terminal' | 'inMemory' | 'host'> {
  /** Path of a config file; true: the one in `cwd`, if there is one. */
  readonly configFile?: string | boolean;
  /** Presets by name or path, later over earlier. */
  readonly presets?: string | readonly string[] | undefined;
  /** Settings in the shape of a config file. */
  readonly config?: RunSettings;
  /** Plugins that are on besides those of the config. A class that fills a slot takes the place of what fills it. */
  readonly plugins?: readonly (Choice & Typed<Choice>)[];
  /** Folder that paths are relative to; the process's working folder when not given. */
  readonly cwd?: string;
  /** Called with each line that a terminal would print. */
  readonly log?: LogSink;
  /** Build everything and claim nothing: for a look at what would run. */
  readonly dryRun?: boolean;
}

/**
 * Makes a run, ready to train: config composed and checked, plugins made, the run folder claimed, data and weights
 * there, resumed where that was asked for. It prints nothing, handles no signals and never ends the process.
 *
 * Runs that exist at the same time share one engine. Call `dispose` at the end, or use `await using`.
 * @throws UsageError with the code and message that `espalier train` has for the same mistake
 */
export async function createRun<Choice extends PluginChoice = PluginChoice>(
  options: RunOptions<Choice> = {},
): Promise<Run> {
  const { terminal = Terminal.silent(), log: sink, ...rest } = options;
  const logger = loggerTo(terminal);
  if (sink !== undefined) logger.addSink(sink);
  try {
    // Not above: every plugin imports `espalier`, and few of them make runs.
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

/** A plugin of the list, and the settings that turn it on. */
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
