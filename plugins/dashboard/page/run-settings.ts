import type { RunSummary } from './protocol.js';

/** A config value that is not the same in all runs. */
export interface Difference {
  /** As `--set` takes it, or `plugins.NAME` for a plugin that only some runs have. */
  readonly key: string;
  /** The last parts of the key that no other difference has. */
  readonly title: string;
  /** The value by run; a run that does not have it is missing. */
  readonly values: ReadonlyMap<string, string>;
}

/** Keys that say where a run is, which its name says already. */
const OWN = new Set(['run.name', 'run.dir']);
/** A part of a key; one that contains a dot, such as a plugin's path, is quoted. */
const PART = /"(?:[^"\\]|\\.)*"|[^.]+/;
const PARTS = new RegExp(PART, 'g');
const PLUGIN = new RegExp(`^plugins\\.(?:${PART.source})`);

type Settings = Pick<RunSummary, 'name' | 'settings'>;

/**
 * Returns the config values that differ, in the config's order. A key counts only among the runs that have it: runs with
 * other optimizers have other options, which are no difference of their own. A plugin of some runs only is one difference.
 */
export function differences(runs: readonly Settings[]): Difference[] {
  const byKey = new Map<string, Map<string, string>>();
  for (const { name, settings } of runs) {
    for (const [key, value] of Object.entries(settings)) {
      const values = byKey.get(key) ?? new Map<string, string>();
      byKey.set(key, values.set(name, value));
    }
  }
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const [key, values] of byKey) {
    const [plugin] = PLUGIN.exec(key) ?? [];
    if (plugin !== undefined && !found.has(plugin)) {
      const having = runs.filter(({ settings }) => hasPlugin(settings, plugin));
      if (having.length < runs.length) found.set(plugin, new Map(having.map(({ name }) => [name, 'on'])));
    }
    if (!OWN.has(key) && key !== plugin && new Set(values.values()).size > 1) found.set(key, values);
  }
  const keys = [...found.keys()];
  return [...found].map(([key, values]) => ({ key, title: shortKey(key, keys), values }));
}

/** A plugin that is switched off, `false`, is as one that is missing. */
function hasPlugin(settings: Settings['settings'], plugin: string): boolean {
  if (settings[plugin] === 'false') return false;
  return settings[plugin] !== undefined || Object.keys(settings).some((key) => key.startsWith(`${plugin}.`));
}

/** Returns the shortest end of a key, of whole parts, that is the end of no other key. */
function shortKey(whole: string, others: readonly string[]): string {
  // `optimizer.use` is the optimizer.
  const [key, ...keys] = [whole, ...others].map((each) => each.replace(/\.use$/, ''));
  if (key === undefined) return whole;
  const parts = key.match(PARTS) ?? [];
  for (let from = parts.length - 1; from > 0; from--) {
    const end = parts.slice(from).join('.');
    if (!keys.some((other) => other !== key && (other === end || other.endsWith(`.${end}`)))) return end;
  }
  return key;
}
