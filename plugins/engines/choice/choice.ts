import { messageOf, UsageError } from '../../../core/errors.js';
import type { EngineProbe } from '../../../core/index.js';
import {
  builtInNames,
  findPlugin,
  findQuietly,
  loadBuiltIns,
  shortNameIn,
  slotKeys,
  type BrokenPlugin,
  type FoundPlugin,
} from '../../../core/runs.js';

/** An engine plugin, and whether it works here. */
export interface ProbedEngine {
  readonly plugin: FoundPlugin;
  readonly probe: EngineProbe;
}

/** Probes every built-in engine that loads here, by rank. */
export async function probeEngines(): Promise<ProbedEngine[]> {
  const probed: ProbedEngine[] = [];
  for (const plugin of (await builtInEngines()).plugins) probed.push({ plugin, probe: await probe(plugin) });
  return probed;
}

/** Returns the built-in engines that do not load here, with the reason. */
export async function brokenEngines(): Promise<{ engine: string; works: false; detail: string; why: string }[]> {
  const { broken } = await builtInEngines();
  return broken.map(({ name, error }) => ({
    engine: shortNameIn('engine', name),
    works: false,
    detail: 'does not load',
    why: error.message,
  }));
}

/** What people call an engine that has the device. */
const DEVICES = new Set(['cuda', 'gpu', 'nvidia', 'rocm', 'tpu']);

/**
 * Returns the plugin for `engine: NAME`, or for `engine: auto` the best that works here; logs why others were rejected.
 * @throws UsageError with the reason, if it does not work here
 */
export async function chooseEngine(
  name: string,
  cwd: string,
  precision: string,
  log: (line: string) => void,
): Promise<FoundPlugin> {
  if (DEVICES.has(name) && (await findQuietly(name, cwd, 'engine')) === undefined)
    throw new UsageError('ESP_ENGINE', `${name} is no engine: ${await whoHasGpu()}`);
  if (name !== 'auto') {
    const plugin = await findPlugin(name, cwd, 'engine');
    const answer = await probe(plugin);
    if (!answer.works)
      throw new UsageError('ESP_ENGINE', `engine ${name} does not work here: ${answer.why ?? answer.detail}`);
    return plugin;
  }
  const { plugins, broken } = await builtInEngines();
  return firstThatWorks(plugins, log, precision, broken);
}

/**
 * Returns what `engine: auto` chooses: the first engine that computes on a GPU, else the first that works. After the
 * first that works, only those that may have a GPU are probed, since a probe can take a second.
 * @param broken engines that do not load, to be listed among the rejected
 * @throws UsageError with all reasons, if none works
 */
export async function firstThatWorks(
  engines: readonly FoundPlugin[],
  log: (line: string) => void,
  precision = 'auto',
  broken: readonly BrokenPlugin[] = [],
): Promise<FoundPlugin> {
  const answers = new Map<FoundPlugin, EngineProbe>();
  for (const plugin of engines) if (plugin.class.mayHaveGpu?.() === true) answers.set(plugin, await probe(plugin));
  const onGpu = engines.find((plugin) => isOnGpu(answers.get(plugin)));
  const passedOver = broken.map(({ name, error }) => `${shortNameIn('engine', name)}: ${error.message}`);
  for (const plugin of onGpu === undefined ? engines : [onGpu]) {
    const answer = answers.get(plugin) ?? (await probe(plugin));
    if (answer.works) {
      const others = passedOver.length === 0 ? '' : ` (not taken: ${passedOver.join('; ')})`;
      log(`engine: ${shortName(plugin)}, ${answer.detail}${showPrecision(answer, precision)}${others}`);
      for (const { advice } of answers.values()) if (advice !== undefined) log(advice);
      return plugin;
    }
    passedOver.push(`${shortName(plugin)}: ${answer.why ?? answer.detail}`);
  }
  throw new UsageError('ESP_ENGINE', `no engine works here: ${passedOver.join('; ')}`);
}

/** Returns the precision of the run as text; empty if the engine has only one. */
export function showPrecision({ autoPrecision }: Pick<EngineProbe, 'autoPrecision'>, precision = 'auto'): string {
  if (autoPrecision === undefined) return '';
  return precision === 'auto' ? `, precision auto is ${autoPrecision}` : `, precision ${precision}`;
}

/** Returns whether `engine: auto` prefers it to better ranked engines. */
export function isOnGpu(probe: EngineProbe | undefined): boolean {
  return probe?.works === true && probe.gpu === true;
}

/** Returns the name that configs use: `wasm` for `engine-wasm`. */
export function shortName(plugin: FoundPlugin): string {
  return shortNameIn('engine', plugin.options.name);
}

/** Says which engine has a GPU or TPU here. */
async function whoHasGpu(): Promise<string> {
  const { plugins } = await builtInEngines();
  for (const plugin of plugins.filter((each) => each.class.mayHaveGpu?.() === true)) {
    const { works, detail } = await probe(plugin);
    if (works) return `set engine: ${shortName(plugin)} (${detail})`;
  }
  return 'no engine finds a GPU or TPU here; `espalier engine install xla` installs one that uses it';
}

async function builtInEngines(): Promise<{ plugins: FoundPlugin[]; broken: BrokenPlugin[] }> {
  const { plugins, broken } = await loadBuiltIns(
    builtInNames().filter((name) => name.startsWith(slotKeys.engine.fullName(''))),
  );
  return { plugins: plugins.sort((a, b) => (a.options.rank ?? 50) - (b.options.rank ?? 50)), broken };
}

async function probe(plugin: FoundPlugin): Promise<EngineProbe> {
  try {
    return (await plugin.class.probe?.()) ?? { works: true, detail: plugin.options.summary };
  } catch (thrown) {
    return { works: false, detail: plugin.options.summary, why: messageOf(thrown) };
  }
}
