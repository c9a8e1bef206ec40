import 'reflect-metadata';
import { instanceCachingFactory } from 'tsyringe';
import { stringify } from 'yaml';
import { z } from 'zod';
import { checkCore, filledConfig, type CheckedConfig, type SlotChoice } from '../config/slots.js';
import { withPretrained } from '../checkpoint/pretrained-config.js';
import { valueAt } from '../config/composed.js';
import { composeConfig, type ComposedConfig } from '../config/load.js';
import { nearestTo } from '../config/nearest.js';
import { pathKey } from '../config/path.js';
import { ConfigPlaces } from '../config/places.js';
import { configWithPluginPaths, isPluginPath, otherPath } from '../config/plugin-paths.js';
import { slotKeys } from '../config/slot-keys.js';
import { checkPart, toldAt, wrongValue } from '../config/validate.js';
import { RunConfig, type CoreConfig } from '../config/schema.js';
import { Tokenizers } from '../contracts/data.js';
import { Operations } from '../contracts/operation.js';
import { oneRank, Ranks } from '../contracts/ranks.js';
import { UsageError } from '../errors.js';
import { describeTolerated, EventBus } from '../events/bus.js';
import { resolveFrom } from '../files/home.js';
import { Logger } from '../logger.js';
import { MetricNames, watchMetrics } from '../metrics/metrics.js';
import { misspelledOrder, orderPlugins } from '../plugins/order.js';
import { slots, type Slot } from '../plugins/plugin.js';
import { builtInNames, findPlugin, loadBuiltIns, type FoundPlugin } from '../plugins/resolve.js';
import { RandomStreams } from '../random/streams.js';
import { Terminal } from '../terminal.js';
import { version } from '../version.js';
import { addListeners, makePlugins, newContainer, type ConfiguredPlugin } from './container.js';
import { RunControl } from './control.js';
import { chooseEngine } from './engine.js';
import { defaultRunFolder, RunFolder } from './folder.js';
import { ModelGrowth } from './growth.js';
import { checkMemory } from './memory.js';
import { Run } from './run.js';
import { Sections } from './sections.js';
import { RunState } from './state.js';
import { Tunables } from './tunables.js';
import { TokenizersByName } from './tokenizers.js';

export interface RunRequest {
  /** Folder that the config file is looked for in, and that paths in the config and in `set` are relative to. */
  readonly cwd: string;
  /** Preset names or paths, later over earlier. */
  readonly presets?: readonly string[];
  /** `a.b=c` settings, over everything else. */
  readonly set?: readonly string[];
  readonly configFile?: string;
  /** Keep only these slots, and no features: for `sample` and `evaluate`. */
  readonly only?: readonly Slot[];
  /** Features with their options that are on for this process alone: in front of the config's, and not kept in it. */
  readonly passing?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly terminal?: Terminal;
}

/** A run, and the config it was made from with the origin of every leaf. */
export interface CreatedRun {
  readonly run: Run;
  readonly composed: ComposedConfig;
  readonly plugins: readonly ConfiguredPlugin[];
}

/**
 * Composes and checks the config, loads the plugins it names and makes them, in a container of the run's own.
 * Nothing is created on disk.
 * @throws UsageError for anything in the config, or in a plugin it names, that the user can mend
 */
export async function createRun(request: RunRequest): Promise<CreatedRun> {
  const composed = await composeConfig({
    cwd: request.cwd,
    presets: [...(request.presets ?? [])],
    set: [...(request.set ?? [])],
    configFile: request.configFile,
  });
  return createRunFrom(await withPretrained(composed, request.cwd), request);
}

/** The same, from a config that is composed already (a checkpoint's). */
export async function createRunFrom(composed: ComposedConfig, request: RunRequest): Promise<CreatedRun> {
  const terminal = request.terminal ?? new Terminal({ quiet: true });
  const log = new Logger();
  log.addSink((level, line) => {
    terminal.line(line, level);
  });
  const checked = checkCore(composed);
  // Told when it is known which rank this is.
  const early: { line: string; level: 'info' | 'warn' }[] = [];
  const plugins = await loadPlugins(checked, composed, request, (line, level = 'info') => early.push({ line, level }));

  const batchSize = request.only === undefined ? checked.core.train.batch_size : undefined;
  const planned = { plugins, composed, batchSize };
  checkMemory(planned, 0);

  const container = newContainer();
  const bus = new EventBus((error, muted) => {
    log.warn(describeTolerated(error, muted));
  });
  container.registerInstance(RunConfig, checked.core);
  container.registerInstance(ConfigPlaces, new ConfigPlaces(composed));
  container.registerInstance(Logger, log);
  container.registerInstance(EventBus, bus);
  container.registerInstance(RunControl, new RunControl(() => bus.running.at(-1)?.plugin));
  container.registerInstance(Sections, new Sections());
  const state = new RunState();
  container.registerInstance(RunState, state);
  container.registerInstance(RandomStreams, new RandomStreams(checked.core.seed));
  const place = { path: runFolder(checked.core, request.cwd), cwd: request.cwd };
  container.register(RunFolder, {
    useFactory: instanceCachingFactory((within) => new RunFolder(place, within.resolve(Ranks).rank === 0)),
  });
  container.registerInstance(Terminal, terminal);
  container.register(Tokenizers, { useValue: new TokenizersByName(request.cwd) });
  container.registerInstance(Tunables, coreTunables(checked.core.train));
  container.registerInstance(Operations, new Operations());
  container.registerInstance(ModelGrowth, new ModelGrowth(container));
  container.register(Ranks, { useValue: oneRank });
  const metrics = new MetricNames(plugins.map(({ options }) => [options.name, options.metrics ?? {}]));
  container.registerInstance(MetricNames, metrics);
  watchMetrics(bus, metrics, log);
  keepLosses(bus, state);
  const live = makePlugins(container, plugins);
  const ranks = container.resolve(Ranks);
  addListeners(bus, plugins, live, ranks);
  if (ranks.rank > 0) terminal.errorsOnly(`rank ${String(ranks.rank)}: `);
  for (const { line, level } of early) log[level](line);
  for (const line of emptyFeatures(checked, composed)) log.warn(line);
  const outside = plugins.filter(({ source }) => source !== 'built-in');
  if (outside.length > 0) for (const line of misspelledOrder(outside, builtInNames())) log.warn(line);
  const passing = Object.keys(request.passing ?? {});
  const value = filledConfig(
    checked,
    plugins.filter(({ options }) => !passing.includes(options.name)),
  );
  const stored = configWithPluginPaths(value, (name) => resolveFrom(request.cwd, name), place.path);
  const run = new Run({
    config: checked.core,
    composed: value,
    stored,
    given: composed.given,
    container,
    bus,
    plugins: live,
    version,
    checkMemory: (vocabSize) => {
      const warning = checkMemory(planned, vocabSize);
      if (warning !== undefined) log.warn(warning);
    },
    writeConfig: (folder) => {
      const kept = folder.writeConfig(stringify(stored));
      if (kept !== undefined) log.warn(`${folder.shown}/config.yaml was changed by hand: kept as ${kept}`);
    },
  });
  return { run, composed, plugins };
}

async function loadPlugins(
  checked: CheckedConfig,
  composed: ComposedConfig,
  request: RunRequest,
  say: (line: string, level?: 'info' | 'warn') => void,
): Promise<ConfiguredPlugin[]> {
  const { cwd, passing = {} } = request;
  const configured: ConfiguredPlugin[] = [];
  const add = async (choice: SlotChoice, slot?: Slot): Promise<void> => {
    const found = await findChosen(choice, slot, { composed, cwd }, (shown) =>
      slot === 'engine'
        ? chooseEngine(choice.use, cwd, say, checked.core.precision)
        : findPlugin(choice.use, cwd, slot, shown),
    );
    const config = checkPart(found.options.config ?? z.strictObject({}), choice.path, composed, choice.options);
    configured.push({ ...found, config, path: choice.path });
  };
  for (const slot of slots) {
    if (request.only === undefined || request.only.includes(slot)) await add(checked.slots[slot], slot);
  }
  const inSlots = configured.length;
  const { only } = request;
  refuseMisspelledOff(checked, composed);
  // Features that change what the data is are part of it, wherever it is read.
  if (only === undefined || only.includes('data')) {
    const features = checked.features.filter(({ use }) => !Object.hasOwn(passing, use));
    // Where few slots are in use, most features are loaded only to see whether they are part of the data.
    const { broken } = only === undefined ? { broken: [] } : await loadBuiltIns(features.map(({ use }) => use));
    for (const { error } of broken) say(`left out, as it does not load here: ${error.message}`, 'warn');
    for (const feature of features) if (!broken.some(({ name }) => name === feature.use)) await add(feature);
    for (const [use, options] of Object.entries(passing)) await add({ use, options, path: ['plugins', use] });
  }
  const inUse = configured.filter(
    ({ options: { slot, wraps } }) =>
      only === undefined || slot !== undefined || (wraps !== undefined && only.includes(wraps)),
  );
  refuseTwins(inUse);
  return [...inUse.slice(0, inSlots), ...orderPlugins(inUse.slice(inSlots))];
}

/** What is wrong with a plugin that a config names is told with the place that names it. */
async function findChosen(
  { use, path: at }: SlotChoice,
  slot: Slot | undefined,
  { composed, cwd }: { readonly composed: ComposedConfig; readonly cwd: string },
  find: (shown: string) => Promise<FoundPlugin>,
): Promise<FoundPlugin> {
  const named = slot === undefined ? at : [...at, slotKeys[slot].key];
  const origin = composed.origins.get(pathKey(named));
  const shown = origin?.written ?? use;
  const hint = ({ code }: UsageError): string =>
    code === 'ESP_PLUGIN_NOT_FOUND' && isPluginPath(use) ? otherPath(shown, origin, composed, cwd) : '';
  return toldAt(named, composed, () => find(shown), hint);
}

/** `progres: false` would leave `progress` on. A name like none is a plugin's that this machine may not have. */
function refuseMisspelledOff({ off }: CheckedConfig, composed: ComposedConfig): void {
  const builtIn = builtInNames();
  for (const name of off.filter((each) => !builtIn.includes(each))) {
    const near = nearestTo(name, builtIn, 2);
    if (near === undefined) continue;
    const what = `there is no plugin ${JSON.stringify(name)} to turn off: did you mean ${JSON.stringify(near)}?`;
    throw new UsageError('ESP_PLUGIN_NOT_FOUND', wrongValue(['plugins', name], what, composed).text);
  }
}

/** `csv:` with nothing behind it is null, which turns off: who wrote it where nothing was on meant the opposite. */
function emptyFeatures({ off }: CheckedConfig, composed: ComposedConfig): string[] {
  const isOnIn = (values: Readonly<Record<string, unknown>>, at: string): boolean =>
    Object.entries(values).some(
      ([key, value]) => (key === at || key.startsWith(`${at}.`)) && value !== null && value !== false,
    );
  return off.flatMap((name) => {
    const path = ['plugins', name];
    if (valueAt(composed.value, path).value !== null) return [];
    if (Object.values(composed.given).some((values) => isOnIn(values, pathKey(path)))) return [];
    const what = `it is empty, which turns a plugin off, and nothing had turned it on; write ${name}: {} to turn it on`;
    return [wrongValue(path, what, composed).text];
  });
}

function refuseTwins(plugins: readonly ConfiguredPlugin[]): void {
  const seen = new Map<string, string>();
  for (const { options, source } of plugins) {
    const other = seen.get(options.name);
    if (other !== undefined) {
      throw new UsageError(
        'ESP_PLUGIN_TWICE',
        `two plugins are named ${options.name}: ${other} and ${source}; rename one`,
      );
    }
    seen.set(options.name, source);
  }
}

/** The core alone writes the run's state: its losses are up to date before any plugin hears of them. */
function keepLosses(bus: EventBus, state: RunState): void {
  bus.listen({ plugin: 'core', event: 'evaluation:end', critical: true }, ({ losses }) => {
    state.valLoss = losses.val;
    if (losses.val < (state.bestValLoss ?? Infinity)) state.bestValLoss = losses.val;
  });
}

function coreTunables({ batch_size, gradient_accumulation_steps }: CoreConfig['train']): Tunables {
  const tunables = new Tunables();
  tunables.define('batch_size', batch_size, { least: 1, whole: true });
  tunables.define('gradient_accumulation_steps', gradient_accumulation_steps, { least: 1, whole: true });
  return tunables;
}

function runFolder(core: CoreConfig, cwd: string): string {
  return resolveFrom(cwd, core.run.dir ?? defaultRunFolder(core.run.name));
}
