import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { slots, type Slot } from '../../../core/index.js';
import {
  checkCore,
  findQuietly,
  loadAll,
  pathKey,
  shortNameIn,
  slotKeys,
  type ComposedConfig,
  type FoundPlugin,
} from '../../../core/runs.js';

/** A plugin that a config can name. */
export interface NamedPlugin extends FoundPlugin {
  /** What a config calls it, the usual name first. */
  readonly names: readonly [string, ...string[]];
}

/** The plugins that the configs of a folder can name. */
export interface NamedPlugins {
  readonly plugins: readonly NamedPlugin[];
  /** Names of those that do not load on this machine, with the reason. */
  readonly broken: ReadonlyMap<string, string>;
}

/**
 * The plugins of espalier and of the project's packages, and those that a config names besides: files, and packages
 * `espalier-plugin-NAME`.
 */
export async function namedPlugins(cwd: string, composed: ComposedConfig): Promise<NamedPlugins> {
  const { plugins: known, broken: unloaded } = await loadAll(cwd);
  const plugins = known.map((found): NamedPlugin => {
    const { name, slot } = found.options;
    return { ...found, names: unique([slot === undefined ? name : shortNameIn(slot, name), name]) };
  });
  const broken = new Map(unloaded.map(({ name, error }) => [name, error.message]));
  const taken = new Set([...plugins.flatMap(({ names }) => names), ...broken.keys(), 'auto']);
  for (const { slot, names } of namesIn(composed, cwd)) {
    const [use] = names;
    if (taken.has(use)) continue;
    try {
      const found = await findQuietly(use, cwd, slot);
      if (found !== undefined) plugins.push({ ...found, names });
    } catch (thrown) {
      if (!(thrown instanceof UsageError)) throw thrown;
      broken.set(use, thrown.message);
    }
  }
  return { plugins, broken };
}

/** The plugins that a config names, as it is composed, and as it is written where that is in a file of this folder. */
function namesIn(composed: ComposedConfig, cwd: string): { slot: Slot | undefined; names: [string, ...string[]] }[] {
  const { slots: filling, features, off } = checkCore(composed);
  const named = [
    ...slots.map((slot) => ({ slot, use: filling[slot].use, at: [...filling[slot].path, slotKeys[slot].key] })),
    ...[...features.map(({ use }) => use), ...off].map((use) => ({ slot: undefined, use, at: ['plugins', use] })),
  ];
  return named.map(({ slot, use, at }) => {
    const { file, written } = composed.origins.get(pathKey(at)) ?? {};
    const isHere = file !== undefined && path.dirname(file) === path.resolve(cwd);
    return { slot, names: unique([use, written === undefined || !isHere ? use : written]) };
  });
}

function unique([first, second]: readonly [string, string]): [string, ...string[]] {
  return first === second ? [first] : [first, second];
}
