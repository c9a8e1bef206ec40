import type { EventBus } from '../events/bus.js';
import { suggestion } from '../config/nearest.js';
import type { Logger } from '../logger.js';

/** What a plugin says of a metric that it publishes. */
export interface MetricDescription {
  /** `nats`, `tokens/s`, `share`, …; empty for a plain number. */
  readonly unit: string;
  /** One phrase: what is measured, over what. */
  readonly what: string;
  /** True where it comes from a clock or from the machine: another run of the same config has other values. */
  readonly clock?: boolean;
}

/** By name, such as `val/loss`; `*` in a name stands for anything: `time/plugin/*`. */
export type MetricTable = Readonly<Record<string, MetricDescription>>;

/** The metrics that the plugins of a run declare. Sinks inject it. */
export class MetricNames {
  readonly #exact = new Map<string, MetricDescription>();
  readonly #patterns: { readonly pattern: RegExp; readonly description: MetricDescription }[] = [];

  constructor(tables: Iterable<MetricTable>) {
    for (const table of tables) {
      for (const [name, description] of Object.entries(table)) {
        if (name.includes('*')) this.#patterns.push({ pattern: patternOf(name), description });
        else this.#exact.set(name, description);
      }
    }
  }

  /** What a metric is; undefined where no plugin of the run declares it. */
  describe(name: string): MetricDescription | undefined {
    return this.#exact.get(name) ?? this.#patterns.find(({ pattern }) => pattern.test(name))?.description;
  }

  /** Values that are a function of config, data and engine alone, and those that hang on the clock or the machine. */
  split(values: Readonly<Record<string, number>>): { exact: Record<string, number>; clock: Record<string, number> } {
    const exact: Record<string, number> = {};
    const clock: Record<string, number> = {};
    for (const [name, value] of Object.entries(values)) {
      (this.describe(name)?.clock === true ? clock : exact)[name] = value;
    }
    return { exact, clock };
  }

  /** The names without a pattern. */
  names(): string[] {
    return [...this.#exact.keys()];
  }
}

/** Tells, once a name, of metrics that nobody declares: a typo is a curve that nobody finds. */
export function tellUndeclared(bus: EventBus, metrics: MetricNames, log: Logger): void {
  const told = new Set<string>();
  bus.listen({ plugin: 'core', event: 'metrics', critical: true }, ({ values }) => {
    for (const name of Object.keys(values)) {
      if (told.has(name) || metrics.describe(name) !== undefined) continue;
      told.add(name);
      const near = suggestion(name, metrics.names(), 'declared ones');
      log.warn(`metric "${name}" is not declared: ${near} Its plugin names it, with its unit, in \`metrics\``);
    }
  });
}

function patternOf(name: string): RegExp {
  const parts = name.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.+')}$`);
}
