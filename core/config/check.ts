import { z } from 'zod';
import { configs } from './configs.js';
import { valueAt, type ComposedConfig, type Settings, pathKey } from './composed.js';
import { failedAt, shownFinding, wrongValue, type Checked, type Finding } from './findings.js';
import { chosenEngine } from './engine-choice.js';
import { nearestTo } from './nearest.js';
import type { CoreConfig } from './schema.js';
import { slotKeys } from './slot-keys.js';
import { checkCore, filledConfig, type ConfigParts, type SlotChoice } from './slots.js';
import { checkPart } from './validate.js';
import { UsageError } from '../errors.js';
import { EventTable } from '../events/table.js';
import { familyEvents } from '../families/events.js';
import { families } from '../families/packages.js';
import { orderPlugins } from '../plugins/order.js';
import { addsTo, pluginListeners, slots, type Slot } from '../plugins/plugin.js';
import { knownNames, loadBuiltIns, type FoundPlugin } from '../families/load.js';
import { findPlugin, fitting } from '../families/resolve.js';
import type { ConfiguredPlugin } from '../run/container.js';
import { engineInUse } from '../run/engine-in-use.js';

/** What to check of a config, and the folder that plugin paths in it are relative to. */
export interface CheckRequest {
  readonly cwd: string;
  /** Check only these slots, and only the features that wrap them: for `sample` and `evaluate`. Default: everything. */
  readonly only?: readonly Slot[];
  /** With `only`: also keep the features that add to these contracts. */
  readonly adding?: readonly symbol[];
  /**
   * Features to turn on for this process only, with their options; they override the config's and are not stored in it.
   */
  readonly passing?: Readonly<Record<string, Settings>>;
  /** Plugins given as classes, by name; they take precedence over all others. */
  readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
}

/** A checked config, with the plugins that it names. */
export interface CheckedConfig {
  readonly core: CoreConfig;
  /**
   * Returns the whole config with the defaults of the schemas filled in.
   * @param nameOf maps a plugin's name in the composed config to the name to write
   */
  readonly filled: (nameOf?: (use: string) => string) => Record<string, unknown>;
  /** Slots first, then features in the order of their listeners. */
  readonly plugins: readonly ConfiguredPlugin[];
  /** Every event that the run may dispatch. */
  readonly events: EventTable;
  /** Lines to log once it is known which rank this is. */
  readonly notes: readonly Note[];
}

interface Note {
  readonly line: string;
  readonly level: 'info' | 'warn';
}

/**
 * Loads every plugin that a config names, and checks the config with their schemas and the core's.
 * @throws UsageError if two plugins have one name, or if plugins wait for each other
 */
export async function checkConfig(composed: ComposedConfig, request: CheckRequest): Promise<Checked<CheckedConfig>> {
  const parts = checkCore(composed);
  const loading = new Loading(composed, parts, request);
  const { only, passing = {} } = request;
  for (const slot of slots) if (only?.includes(slot) ?? true) await loading.addSlot(slot);
  loading.report(misspelledOff(parts, composed, request.cwd));
  // A feature that changes the data is part of it, wherever the data is read.
  if (only?.includes('data') ?? true) await loading.addFeatures(passing, only !== undefined);
  const findings = [...parts.findings, ...loading.findings];
  const { core } = parts;
  if (core === undefined || findings.length > 0) {
    return { findings: await (await configs()).withHints(findings, composed, request.cwd) };
  }
  const plugins = inOrder(loading.loaded, request);
  const declared = plugins.map(({ options }) => [options.name, options.events ?? {}] as const);
  const events = new EventTable([...(await familyEvents(families(request.cwd))), ...declared]);
  const unknown = unknownEvents(plugins, events, composed);
  if (unknown.length > 0) return { findings: unknown };
  const kept = plugins.filter(({ options }) => !Object.hasOwn(passing, options.name));
  const outside = plugins.filter(({ source }) => source !== 'built-in');
  const misspelled = outside.length === 0 ? [] : misspelledOrder(outside, knownNames(request.cwd));
  const warnings = [...emptyFeatures(parts, composed), ...misspelled].map((line): Note => ({ line, level: 'warn' }));
  return {
    value: {
      core,
      plugins,
      events,
      filled: (nameOf) => filledConfig(core, parts, kept, nameOf),
      notes: [...loading.notes, ...warnings],
    },
  };
}

/** Loads plugins one by one, and collects the errors in them and in their options. */
class Loading {
  readonly loaded: ConfiguredPlugin[] = [];
  readonly findings: Finding[] = [];
  readonly notes: Note[] = [];

  constructor(
    private readonly composed: ComposedConfig,
    private readonly parts: ConfigParts,
    private readonly request: CheckRequest,
  ) {}

  report(findings: readonly Finding[]): void {
    this.findings.push(...findings);
  }

  async addSlot(slot: Slot): Promise<void> {
    const choice = this.parts.slots[slot];
    const { core } = this.parts;
    // The choice of an engine may depend on the core's settings.
    if (slot === 'engine' && core === undefined) return;
    const { cwd } = this.request;
    await this.#add(choice, [...choice.path, slotKeys[slot].key], slot, async (shown) => {
      if (slot !== 'engine' || core === undefined) return findPlugin(choice.use, cwd, slot, shown);
      const inUse = choice.use === 'auto' ? engineInUse()?.plugin : undefined;
      const note = (line: string): unknown => this.notes.push({ line, level: 'info' });
      return inUse ?? chosenEngine(choice.use, cwd, core.precision, note);
    });
  }

  /** @param isPartial skip features that do not load here: most are loaded only to see what they wrap */
  async addFeatures(passing: Readonly<Record<string, Settings>>, isPartial: boolean): Promise<void> {
    const features = this.parts.features.filter(({ use }) => !Object.hasOwn(passing, use));
    const { broken } = isPartial ? await loadBuiltIns(features.map(({ use }) => use)) : { broken: [] };
    for (const { error } of broken) {
      this.notes.push({ line: `left out, because it does not load on this machine: ${error.message}`, level: 'warn' });
    }
    const more = Object.entries(passing).map(([use, options]) => ({ use, options, path: ['plugins', use] }));
    for (const choice of [...features.filter(({ use }) => !broken.some(({ name }) => name === use)), ...more]) {
      await this.#add(choice, choice.path, undefined, (shown) =>
        findPlugin(choice.use, this.request.cwd, undefined, shown),
      );
    }
  }

  async #add(
    { use, options, path }: SlotChoice,
    named: readonly string[],
    slot: Slot | undefined,
    find: (shown: string) => Promise<FoundPlugin>,
  ): Promise<void> {
    const shown = this.composed.origins.get(pathKey(named))?.written ?? use;
    try {
      const given = this.request.classes?.get(use);
      const found = given === undefined ? await find(shown) : fitting(given, shown, slot);
      const schema = found.options.config ?? z.strictObject({});
      const { value, findings = [] } = checkPart(schema, path, this.composed, options);
      this.report(findings);
      this.loaded.push({ ...found, config: value, path });
    } catch (thrown) {
      if (!(thrown instanceof UsageError)) throw thrown;
      this.findings.push(failedAt(named, thrown, this.composed));
    }
  }
}

function inOrder(loaded: readonly ConfiguredPlugin[], { only, adding = [] }: CheckRequest): ConfiguredPlugin[] {
  const features = loaded.filter(
    ({ class: feature, options: { slot, wraps } }) =>
      slot === undefined &&
      (only === undefined || (wraps !== undefined && only.includes(wraps)) || addsTo(feature, adding)),
  );
  const inUse = [...loaded.filter(({ options }) => options.slot !== undefined), ...features];
  refuseTwins(inUse);
  return [...inUse.slice(0, inUse.length - features.length), ...orderPlugins(features)];
}

/** `progres: false` would leave `progress` on. A name unlike any known one may be a plugin that this machine lacks. */
function misspelledOff({ off }: ConfigParts, composed: ComposedConfig, cwd: string): Finding[] {
  const known = knownNames(cwd);
  return off
    .filter((name) => !known.includes(name))
    .flatMap((name) => {
      const near = nearestTo(name, known, 2);
      if (near === undefined) return [];
      const what = `there is no plugin ${JSON.stringify(name)} to turn off: did you mean ${JSON.stringify(near)}?`;
      return [{ ...wrongValue(['plugins', name], what, composed), code: 'ESP_PLUGIN_NOT_FOUND' }];
    });
}

/**
 * `csv:` with nothing after it is null, which turns a plugin off. If the plugin was not on, the author meant the
 * opposite.
 */
function emptyFeatures({ off }: ConfigParts, composed: ComposedConfig): string[] {
  const isOnIn = (values: Settings, at: string): boolean =>
    Object.entries(values).some(
      ([key, value]) => (key === at || key.startsWith(`${at}.`)) && value !== null && value !== false,
    );
  return off.flatMap((name) => {
    const path = ['plugins', name];
    if (valueAt(composed.value, path).value !== null) return [];
    if (Object.values(composed.given).some((values) => isOnIn(values, pathKey(path)))) return [];
    const what = `it is empty, which turns a plugin off, but it was not on; write ${name}: {} to turn it on`;
    return [shownFinding(wrongValue(path, what, composed))];
  });
}

/**
 * Returns warnings about names in `after` and `before` that are nearly a known plugin's: they have no effect. A name
 * unlike any known one may be a plugin that this run or machine does not have.
 */
export function misspelledOrder(plugins: readonly FoundPlugin[], builtIn: readonly string[]): string[] {
  const known = [...new Set([...builtIn, ...plugins.map(({ options }) => options.name)])];
  return plugins.flatMap(({ options, source }) =>
    (['after', 'before'] as const).flatMap((where) =>
      (options[where] ?? []).flatMap((name) => {
        const near = known.includes(name) || name === '*' ? undefined : nearestTo(name, known, 2);
        return near === undefined
          ? []
          : [
              `plugin ${options.name} (${source}): ${where} names "${name}", which is not a plugin; did you mean "${near}"?`,
            ];
      }),
    ),
  );
}

/** A plugin from outside may not have been type-checked, and a listener of a misspelled event would never be called. */
function unknownEvents(plugins: readonly ConfiguredPlugin[], events: EventTable, composed: ComposedConfig): Finding[] {
  return plugins.flatMap(({ class: listening, options, path, source }) =>
    pluginListeners(listening)
      .filter(({ event }) => !events.has(event))
      .map(({ event, method }) => {
        const what = `plugin ${options.name} (${source}): ${String(method)} listens to`;
        return failedAt(path, events.unknown(event, what), composed);
      }),
  );
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
