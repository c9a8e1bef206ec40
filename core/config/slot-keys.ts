import type { Slot } from '../plugins/plugin.js';

/** How a config names the plugin that fills a slot. */
export interface SlotKey {
  /** Where the slot stands. */
  readonly path: readonly [string, ...string[]];
  /** The key beside the options that holds the plugin's name. */
  readonly key: 'use' | 'strategy';
  /** The plugin that fills it when none is named. */
  readonly fallback: string;
  /** Keys in the section that are not the plugin's options, and stay when another plugin is named. */
  readonly others: readonly string[];
  /** Options of which one replaces the other: a layer that gives one takes away those of the layers before. */
  readonly alternatives?: readonly string[];
}

/** Every slot's place in a config. `engine: wasm` is short for `engine: { use: wasm }`. */
export const slotKeys: Readonly<Record<Slot, SlotKey>> = {
  engine: { path: ['engine'], key: 'use', fallback: 'auto', others: [] },
  tokenizer: { path: ['data', 'tokenizer'], key: 'use', fallback: 'char', others: [] },
  data: { path: ['data'], key: 'use', fallback: 'token-shards', others: ['tokenizer'], alternatives: ['text', 'dir'] },
  batches: { path: ['batches'], key: 'strategy', fallback: 'random', others: [] },
  model: { path: ['model'], key: 'use', fallback: 'gpt', others: [] },
  optimizer: { path: ['optimizer'], key: 'use', fallback: 'adamw', others: [] },
  lr: { path: ['lr'], key: 'use', fallback: 'warmup-cosine', others: [] },
};

/** The slot that stands at a path, if one does. */
export function slotKeyAt(path: readonly string[]): SlotKey | undefined {
  return Object.values(slotKeys).find(
    (slot) => slot.path.length === path.length && slot.path.every((key, i) => key === path[i]),
  );
}
