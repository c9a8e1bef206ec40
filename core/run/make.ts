import 'reflect-metadata';
import { instanceCachingFactory, type DependencyContainer } from 'tsyringe';
import { checkConfig, type CheckedConfig, type CheckRequest } from '../config/check.js';
import { ConfigPlaces, explainLines, type ComposedConfig } from '../config/composed.js';
import { configs, type ComposeOptions } from '../config/configs.js';
import { accepted } from '../config/findings.js';
import { RunConfig, type CoreConfig } from '../config/schema.js';
import { Tokenizers } from '../contracts/data.js';
import type { Models } from '../contracts/models.js';
import { foreignProcess, HostProcess } from '../contracts/process.js';
import { oneRank, Ranks } from '../contracts/ranks.js';
import { defaultRunFolder, RunFolder, type RunFolders } from '../contracts/run-folder.js';
import type { Pretrained, PretrainedModels } from '../contracts/weights.js';
import { EventBus } from '../events/bus.js';
import { required } from '../families/provided.js';
import { resolveFrom } from '../paths.js';
import { Logger } from '../logger.js';
import { MetricNames, watchMetrics } from '../metrics/metrics.js';
import { pluginPathFrom } from '../families/plugin-path.js';
import { RandomStreams } from '../random/streams.js';
import { loggerTo, Terminal } from '../terminal.js';
import { addListeners, boundTo, makePlugins, newContainer, type ConfiguredPlugin } from './container.js';
import { RunControl } from './control.js';
import type { CoreServices } from './parts.js';
import { Run } from './run.js';
import { Sections } from './sections.js';
import { RunState } from './state.js';
import { Tunables } from './tunables.js';
import { TokenizersByName } from './tokenizers.js';

/** The config of a run, and the environment of the run. */
export interface RunRequest extends ComposeOptions, CheckRequest {
  /** Prints the run's lines. Without it the run prints nothing. */
  readonly terminal?: Terminal | undefined;
  /** Receives the run's lines instead of the terminal. */
  readonly logger?: Logger;
  /** Neither create nor claim a run folder, and write no `config.yaml`; plugins that write files still do. */
  readonly inMemory?: boolean | undefined;
  /**
   * The process, if it belongs to the run: the command passes its signals on. Without it, the process is left alone.
   */
  readonly host?: HostProcess | undefined;
}

/** A run, and its config with the origin of every leaf. */
export interface MadeRun {
  readonly run: Run;
  readonly composed: ComposedConfig;
  readonly plugins: readonly ConfiguredPlugin[];
}

/**
 * Composes and checks the config, then loads and creates the plugins that it names, in a container of the run's own.
 * Nothing is created on disk.
 * @throws UsageError for anything in the config, or in a plugin it names, that the user can fix
 */
export async function makeRun(request: RunRequest): Promise<MadeRun> {
  const composed = await composeRequest(request);
  return makeRunFrom((await findPretrained(composed, request)).composed, request);
}

/** Returns the config with the model options of the weights that its `init` names. */
export async function findPretrained(
  composed: ComposedConfig,
  request: Parameters<PretrainedModels['find']>[1],
): Promise<Pretrained> {
  const models = await required<PretrainedModels>('pretrained', ['find']);
  return models.find(composed, request);
}

/** Composes the config of a request. */
export async function composeRequest(request: RunRequest): Promise<ComposedConfig> {
  return (await configs()).compose(request);
}

/** Like `makeRun`, from a composed config (a checkpoint's). */
export async function makeRunFrom(composed: ComposedConfig, request: RunRequest): Promise<MadeRun> {
  const checked = accepted(await checkConfig(composed, request));
  const { core, plugins } = checked;
  const batchSize = request.only === undefined ? core.train.batch_size : undefined;
  const planned = { plugins, composed, batchSize, numbersPerTrained: numbersPerTrained(plugins) };
  const models = await required<Models>('models', ['checkMemory', 'trainingLoss', 'loadWeights', 'loadWithOptimizer']);
  models.checkMemory(planned, 0);

  const terminal = request.terminal ?? new Terminal({ quiet: true });
  const services = coreServices(checked, request.logger ?? loggerTo(terminal));
  const { log } = services;
  const container = newContainer();
  const folders = await required<RunFolders>('run-folder', ['folder']);
  provide(container, services, { checked, composed, request, folders, terminal });
  const live = makePlugins(container, plugins);
  (request.host ?? foreignProcess).pluginsMade();
  const places = container.resolve(ConfigPlaces);
  const warn = log.warn.bind(log);
  const trainingLoss = models.trainingLoss({
    bound: (contract) => boundTo(container, contract),
    metrics: container.resolve(MetricNames),
    placeOf: (name) => places.before(plugins.find(({ options }) => options.name === name)?.path ?? []),
    warn,
  });
  const ranks = container.resolve(Ranks);
  addListeners(services.bus, plugins, live, ranks);
  if (ranks.rank > 0) terminal.errorsOnly(`rank ${String(ranks.rank)}: `);
  for (const { line, level } of checked.notes) log[level](line);

  const folder = container.resolve(RunFolder);
  const config = checked.filled((name) => pluginPathFrom(folder.path, name, () => resolveFrom(request.cwd, name)));
  const run = new Run({
    ...services,
    config: core,
    explain: () => explainLines(composed, checked.filled()),
    kept: { config, given: composed.given },
    container,
    plugins: live,
    ranks,
    folder,
    numbersPerTrained: planned.numbersPerTrained,
    models,
    trainingLoss,
    checkMemory: (vocabSize) => {
      const warning = models.checkMemory(planned, vocabSize);
      if (warning !== undefined) warn(warning);
    },
  });
  return { run, composed, plugins };
}

/** The number of an optimizer that does not declare one: two moments, as most have. */
const USUAL_STATE = 2;

function numbersPerTrained(plugins: readonly ConfiguredPlugin[]): number {
  const optimizer = plugins.find(({ options }) => options.slot === 'optimizer');
  return 1 + (optimizer?.class.numbersPerWeight ?? USUAL_STATE);
}

function coreServices({ core, events }: CheckedConfig, log: Logger): CoreServices {
  const bus = new EventBus(log.warn.bind(log), events);
  return {
    bus,
    control: new RunControl(() => bus.running.at(-1)?.plugin),
    log,
    random: new RandomStreams(core.seed),
    sections: new Sections(),
    state: new RunState(),
    tunables: coreTunables(core.train),
  };
}

interface Provided {
  readonly checked: CheckedConfig;
  readonly composed: ComposedConfig;
  readonly request: RunRequest;
  readonly folders: RunFolders;
  readonly terminal: Terminal;
}

/** Registers what plugins may inject from the core, and adds the core's listeners before any plugin's. */
function provide(
  container: DependencyContainer,
  { bus, control, log, random, sections, state, tunables }: CoreServices,
  { checked: { core, plugins }, composed, request, folders, terminal }: Provided,
): void {
  container.registerInstance(EventBus, bus);
  container.registerInstance(RunControl, control);
  container.registerInstance(Logger, log);
  container.registerInstance(RandomStreams, random);
  container.registerInstance(Sections, sections);
  container.registerInstance(RunState, state);
  container.registerInstance(Tunables, tunables);
  container.registerInstance(RunConfig, core);
  container.registerInstance(ConfigPlaces, new ConfigPlaces(composed));
  container.registerInstance(Terminal, terminal);
  container.register(Tokenizers, { useValue: new TokenizersByName(request.cwd) });
  container.register(Ranks, { useValue: oneRank });
  container.register(HostProcess, { useValue: request.host ?? foreignProcess });
  const place = { path: runFolder(core, request.cwd), cwd: request.cwd };
  container.register(RunFolder, {
    useFactory: instanceCachingFactory((within) =>
      folders.folder(place, { inMemory: request.inMemory === true, writes: within.resolve(Ranks).rank === 0 }),
    ),
  });
  const metrics = new MetricNames(plugins.map(({ options }) => [options.name, options.metrics ?? {}]));
  container.registerInstance(MetricNames, metrics);
  watchMetrics(bus, metrics, log);
  keepMeasured(bus, state, metrics);
}

/** Only the core writes the run's state, before any plugin sees the event: what plugins read is up to date. */
function keepMeasured(bus: EventBus, state: RunState, metrics: MetricNames): void {
  const keep = (values: Readonly<Record<string, number>>): void => {
    const own = Object.entries(values).filter(([name]) => metrics.deciding.has(name));
    if (own.length === 0) return;
    const all = Object.entries({ ...state.measured, ...Object.fromEntries(own) });
    state.measured = Object.fromEntries(all.filter(([, value]) => Number.isFinite(value)));
  };
  bus.listen({ plugin: 'core', event: 'metrics', critical: true }, ({ iteration, values }) => {
    if (iteration === state.iteration) keep(values);
  });
  bus.listen({ plugin: 'core', event: 'evaluation:end', critical: true }, ({ losses }) => {
    state.valLoss = losses.val;
    keep({ 'val/loss': losses.val });
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
