import type { PluginOptions } from '../../../core/index.js';

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly what: string;
  readonly clock: boolean;
}

export function metricsOf({ metrics = {} }: PluginOptions): Metric[] {
  return Object.entries(metrics).map(([name, { unit, what, clock = false }]) => ({ name, unit, what, clock }));
}

export function showMetric({ name, unit, what }: Metric): string {
  return `${name}${unit === '' ? '' : ` [${unit}]`}: ${what}`;
}

/** Returns a suffix that names the package something comes from. */
export function ofPackage(source: string): string {
  return source === 'built-in' ? '' : ` (from ${source})`;
}
