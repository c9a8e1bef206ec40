import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { Slot } from '../plugins/plugin.js';
import { presetFolder } from '../version.js';
import { isSection, valueAt } from './composed.js';

/** How a config names the plugin that fills a slot. */
export interface SlotKey {
  /** Where the slot is. */
  readonly path: readonly [string, ...string[]];
  /** The key next to the options that holds the plugin's name. */
  readonly key: 'use' | 'strategy';
  /** The folder in `plugins/` whose plugins fill it. */
  readonly family: string;
  /** The plugin's whole name, of the one that a config has: `wasm` is `engine-wasm`. */
  readonly fullName: (name: string) => string;
  /** What a resumed run that another plugin fills it in is: another run, or the same but not bit for bit. */
  readonly resume: 'fixed' | 'warn';
  /** What other trainers call it. */
  readonly aka?: readonly string[];
}

const asItIs = (name: string): string => name;

/** Every slot's place in a config. `engine: wasm` is short for `engine: { use: wasm }`. */
export const slotKeys: Readonly<Record<Slot, SlotKey>> = {
  engine: {
    path: ['engine'],
    key: 'use',
    family: 'engines',
    fullName: (name) => `engine-${name}`,
    resume: 'warn',
    aka: ['accelerator'],
  },
  tokenizer: {
    path: ['data', 'tokenizer'],
    key: 'use',
    family: 'tokenizers',
    fullName: (name) => `${name}-tokenizer`,
    resume: 'fixed',
  },
  data: { path: ['data'], key: 'use', family: 'data', fullName: asItIs, resume: 'fixed' },
  batches: {
    path: ['batches'],
    key: 'strategy',
    family: 'batches',
    fullName: (name) => `batches-${name}`,
    resume: 'fixed',
  },
  model: { path: ['model'], key: 'use', family: 'models', fullName: asItIs, resume: 'fixed' },
  optimizer: { path: ['optimizer'], key: 'use', family: 'optimizers', fullName: asItIs, resume: 'fixed' },
  lr: { path: ['lr'], key: 'use', family: 'lr', fullName: (name) => `lr-${name}`, resume: 'fixed' },
};

/** The slot at a path, if there is one. */
export function slotKeyAt(path: readonly string[]): SlotKey | undefined {
  return Object.values(slotKeys).find((slot) => String(slot.path) === String(path));
}

/** `engine-wasm` → `wasm`, as configs name what fills a slot. */
export function shortNameIn(slot: Slot, name: string): string {
  const affix = slotKeys[slot].fullName('');
  if (name.startsWith(affix)) return name.slice(affix.length);
  return name.endsWith(affix) ? name.slice(0, -affix.length) : name;
}

/** Keys among a slot's options that are slots themselves, and stay when another plugin is named: `data.tokenizer`. */
export function slotsWithin({ path }: SlotKey): string[] {
  return Object.values(slotKeys).flatMap((slot) =>
    slot.path.length === path.length + 1 && path.every((key, i) => key === slot.path[i]) ? slot.path.slice(-1) : [],
  );
}

/** Has, under `x-slots`, what fills the slots for which a config names no plugin. */
const defaultsFile = path.join(presetFolder, 'base.yaml');

let defaults: unknown;

/** The name of the plugin that fills a slot for which a config names none. */
export function defaultOf({ path, key }: SlotKey): string {
  defaults ??= parse(readFileSync(defaultsFile, 'utf8'));
  const { value } = valueAt(defaults, ['x-slots', ...path]);
  const named = isSection(value) ? value[key] : value;
  if (typeof named !== 'string') throw new TypeError(`${defaultsFile} names no plugin for ${path.join('.')}`);
  return named;
}
