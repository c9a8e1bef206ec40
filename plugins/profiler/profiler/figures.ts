import type { Times } from './account.js';
import { sectionTotals } from './tree.js';

/** Totals so far, in milliseconds. */
export interface Totals {
  readonly sections: ReadonlyMap<string, number>;
  /** Time in each plugin's listeners within iterations. */
  readonly plugins: ReadonlyMap<string, number>;
  readonly iterations: number;
}

export const NO_TIME: Totals = { sections: new Map(), plugins: new Map(), iterations: 0 };

export function totalsOf({ sections, listeners, iterations }: Times): Totals {
  const plugins = new Map<string, number>();
  for (const { plugin, inIterations } of listeners.values()) {
    if (inIterations > 0) plugins.set(plugin, (plugins.get(plugin) ?? 0) + inIterations);
  }
  return { sections: sectionTotals(sections), plugins, iterations };
}

/** Returns the difference between two totals. */
export function since(before: Totals, now: Totals): Totals {
  return {
    sections: difference(before.sections, now.sections),
    plugins: difference(before.plugins, now.plugins),
    iterations: now.iterations - before.iterations,
  };
}

/**
 * Converts totals to metrics: milliseconds per iteration of each section, and each plugin's share of iteration time.
 */
export function metricsOf({ sections, plugins, iterations }: Totals, count: number): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [path, milliseconds] of sections) values[`timing/${path}`] = milliseconds / count;
  for (const [plugin, milliseconds] of plugins) values[`timing/plugin/${plugin}`] = milliseconds / iterations;
  return values;
}

function difference(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...now].map(([name, value]) => [name, value - (before.get(name) ?? 0)]));
}
