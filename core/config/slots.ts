import type { Slot } from '../plugins/plugin.js';
import {
  eachLeaf,
  isSection,
  valueAt,
  type ComposedConfig,
  type Settings,
  pathKey,
  type ConfigPath,
} from './composed.js';
import { unknownKey, wrongValue, type Finding } from './findings.js';
import { coreSchema, type CoreConfig } from './schema.js';
import { defaultOf, slotKeys, slotsWithin } from './slot-keys.js';
import { checkPart } from './validate.js';

/** A plugin named in a config, with its options as written. */
export interface SlotChoice {
  /** The name in the config: `wasm`, `./my-plugin.ts`. */
  readonly use: string;
  readonly options: Settings;
  /** Path of the options. */
  readonly path: ConfigPath;
}

/** A composed config, split into the parts that different schemas check. */
export interface ConfigParts {
  /** Undefined if it has errors. */
  readonly core: CoreConfig | undefined;
  readonly slots: Readonly<Record<Slot, SlotChoice>>;
  /** Plugins that are on under `plugins`, in the order written. */
  readonly features: readonly SlotChoice[];
  /** Names under `plugins` that are turned off. */
  readonly off: readonly string[];
  /** Unknown top-level keys, wrong core values, and slots or features that are neither a name nor a section. */
  readonly findings: readonly Finding[];
}

/** Checks the core's settings and splits off those of slots and features, which their plugins' schemas check. */
export function checkCore(composed: ComposedConfig): ConfigParts {
  const found = unknownTopKeys(composed);
  const slot = (name: Slot): SlotChoice => slotChoice(name, composed, found);
  const chosen = {
    engine: slot('engine'),
    tokenizer: slot('tokenizer'),
    data: slot('data'),
    batches: slot('batches'),
    model: slot('model'),
    optimizer: slot('optimizer'),
    lr: slot('lr'),
  };
  const { features, off } = featuresIn(composed, found);
  const core = checkPart(coreSchema, [], composed, pick(composed.value, coreKeys));
  return { core: core.value, slots: chosen, features, off, findings: [...found, ...(core.findings ?? [])] };
}

/**
 * Returns the whole config with defaults filled in; composing it again gives the same run.
 * @param loaded checked options of the loaded plugins; other plugins keep what was written
 * @param nameOf maps a plugin's name in the composed config to the name to write
 */
export function filledConfig(
  core: CoreConfig,
  parts: ConfigParts,
  loaded: readonly { readonly path: ConfigPath; readonly config: unknown }[],
  nameOf: (use: string) => string = (use) => use,
): Record<string, unknown> {
  const configs = new Map(loaded.map(({ path, config }) => [pathKey(path), config]));
  const filled = (choice: SlotChoice): Settings => {
    const config = configs.get(pathKey(choice.path));
    return isSection(config) ? config : choice.options;
  };
  const named = (name: Slot): Record<string, unknown> => {
    const choice = parts.slots[name];
    // Which engine `auto` chooses depends on the machine, and another engine has other options.
    const options = choice.use === 'auto' ? choice.options : filled(choice);
    return { [slotKeys[name].key]: nameOf(choice.use), ...options };
  };
  const on = parts.features.map((feature): [string, unknown] => [nameOf(feature.use), filled(feature)]);
  return {
    ...core,
    engine: named('engine'),
    data: { ...named('data'), tokenizer: named('tokenizer') },
    batches: named('batches'),
    model: named('model'),
    optimizer: named('optimizer'),
    lr: named('lr'),
    plugins: Object.fromEntries([...on, ...parts.off.map((name): [string, unknown] => [nameOf(name), false])]),
  };
}

const coreKeys: readonly string[] = Object.keys(coreSchema.shape);

function unknownTopKeys(composed: ComposedConfig): Finding[] {
  const known = [...new Set([...coreKeys, ...Object.values(slotKeys).map(({ path }) => path[0]), 'plugins'])];
  return Object.keys(composed.value)
    .filter((key) => !known.includes(key))
    .map((key) => unknownKey([key], [...known, 'extends'], composed, placesOf(key, composed)));
}

/**
 * Returns where a key belongs that was written without its section: `max_iters` in `train`, `evaluation` in `plugins`.
 */
function placesOf(key: string, composed: ComposedConfig): string[] {
  const places = new Set<string>();
  eachLeaf(composed.value, (path) => {
    const depth = path.indexOf(key, 1);
    if (depth > 0) places.add(pathKey(path.slice(0, depth + 1)));
  });
  return [...places];
}

function slotChoice(slot: Slot, composed: ComposedConfig, found: Finding[]): SlotChoice {
  const { path, key } = slotKeys[slot];
  const fallback = defaultOf(slotKeys[slot]);
  const { value, depth } = valueAt(composed.value, path);
  const section = depth === path.length ? value : {};
  if (!isSection(section)) {
    // A parent that is not a section is reported once, for itself.
    if (depth === path.length) found.push(noSlot(path, composed));
    return { use: fallback, options: {}, path };
  }
  const named = section[key] === undefined ? fallback : section[key];
  const use = typeof named === 'string' ? named : fallback;
  if (named !== use) found.push(wrongValue([...path, key], 'expected the name of a plugin', composed));
  const others = slotsWithin(slotKeys[slot]);
  const options = Object.entries(section).filter(([option]) => option !== key && !others.includes(option));
  return { use, options: Object.fromEntries(options), path };
}

/** `lr: 0.001` is another trainer's name for the learning rate, not a plugin. */
function noSlot(path: ConfigPath, composed: ComposedConfig): Finding {
  const finding = wrongValue(path, 'expected the name of a plugin, or a map of its options', composed);
  return { ...finding, unknown: { known: [], textWith: (hint) => `${finding.text}; ${hint}` } };
}

function featuresIn(composed: ComposedConfig, found: Finding[]): Pick<ConfigParts, 'features' | 'off'> {
  const { plugins: section = {} } = composed.value;
  const features: SlotChoice[] = [];
  const off: string[] = [];
  if (!isSection(section)) {
    found.push(wrongValue(['plugins'], 'expected a map of plugin names to their options', composed));
    return { features, off };
  }
  for (const [use, value] of Object.entries(section)) {
    const path = ['plugins', use];
    if (isSection(value)) features.push({ use, options: value, path });
    else if (value === false || value === null) off.push(use);
    else found.push(wrongValue(path, 'expected a map of options, true, or false to turn it off', composed));
  }
  return { features, off };
}

function pick(value: Settings, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)));
}
