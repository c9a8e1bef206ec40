import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { Slot } from '../plugins/plugin.js';
import { presetFolder } from '../version.js';
import { isSection, valueAt } from './composed.js';

/** How a config names the plugin that fills a slot. */
export interface SlotKey {
  /** Config path of the slot. */
  readonly path: readonly [string, ...string[]];
  /** The key, next to the options, that names the plugin. */
  readonly key: 'use' | 'strategy';
  /** The folder in `plugins/` with the plugins that can fill the slot. */
  readonly family: string;
  /** Returns a plugin's full name from its name in a config: `engine-wasm` from `wasm`. */
  readonly fullName: (name: string) => string;
  /**
   * What resuming with another plugin in this slot does: `fixed` refuses, `warn` warns that results are not bit for bit
   * the same.
   */
  readonly resume: 'fixed' | 'warn';
  /** What fills it, in messages. */
  readonly label: string;
  /** Other trainers' names for it. */
  readonly aka?: readonly string[];
}

const asItIs = (name: string): string => name;

/** Every slot's place in a config. `engine: wasm` is short for `engine: { use: wasm }`. */
export const slotKeys: Readonly<Record<Slot, SlotKey>> = {
  engine: {
    label: 'engine',
    path: ['engine'],
    key: 'use',
    family: 'engines',
    fullName: (name) => `engine-${name}`,
    resume: 'warn',
    aka: ['accelerator'],
  },
  tokenizer: {
    label: 'tokenizer',
    path: ['data', 'tokenizer'],
    key: 'use',
    family: 'tokenizers',
    fullName: (name) => `${name}-tokenizer`,
    resume: 'fixed',
  },
  data: { label: 'data plugin', path: ['data'], key: 'use', family: 'data', fullName: asItIs, resume: 'fixed' },
  batches: {
    label: 'batch strategy',
    path: ['batches'],
    key: 'strategy',
    family: 'batches',
    fullName: (name) => `batches-${name}`,
    resume: 'fixed',
  },
  model: { label: 'model', path: ['model'], key: 'use', family: 'models', fullName: asItIs, resume: 'fixed' },
  optimizer: {
    label: 'optimizer',
    path: ['optimizer'],
    key: 'use',
    family: 'optimizers',
    fullName: asItIs,
    resume: 'fixed',
  },
  lr: {
    label: 'learning-rate schedule',
    path: ['lr'],
    key: 'use',
    family: 'lr',
    fullName: (name) => `lr-${name}`,
    resume: 'fixed',
  },
};

/** Returns the slot at a path, if there is one. */
export function slotKeyAt(path: readonly string[]): SlotKey | undefined {
  return Object.values(slotKeys).find((slot) => String(slot.path) === String(path));
}

/** Returns the name that configs use: `wasm` for `engine-wasm`. */
export function shortNameIn(slot: Slot, name: string): string {
  const affix = slotKeys[slot].fullName('');
  if (name.startsWith(affix)) return name.slice(affix.length);
  return name.endsWith(affix) ? name.slice(0, -affix.length) : name;
}

/**
 * Returns the keys among a slot's options that are slots themselves (`data.tokenizer`): they stay when another plugin
 * is chosen.
 */
export function slotsWithin({ path }: SlotKey): string[] {
  return Object.values(slotKeys).flatMap((slot) =>
    slot.path.length === path.length + 1 && path.every((key, i) => key === slot.path[i]) ? slot.path.slice(-1) : [],
  );
}

/** Names, under `x-slots`, the default plugin of each slot. */
const defaultsFile = path.join(presetFolder, 'base.yaml');

let defaults: unknown;

/** Returns the name of the plugin that fills a slot by default. */
export function defaultOf({ path, key }: SlotKey): string {
  defaults ??= parse(readFileSync(defaultsFile, 'utf8'));
  const { value } = valueAt(defaults, ['x-slots', ...path]);
  const named = isSection(value) ? value[key] : value;
  if (typeof named !== 'string') throw new TypeError(`${defaultsFile} names no plugin for ${path.join('.')}`);
  return named;
}
