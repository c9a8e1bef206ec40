import type { EventBus } from '../events/bus.js';
import { suggestion } from '../config/nearest.js';
import { EspalierError, PluginError, UsageError } from '../errors.js';
import type { Logger } from '../logger.js';

/** A plugin's description of a metric that it publishes. */
export interface MetricDescription {
  /** `nats`, `tokens/s`, `share`, …; empty for a plain number. */
  readonly unit: string;
  /** One phrase: what is measured, over what. */
  readonly what: string;
  /** True if the value depends on the clock or the machine, and so differs between runs of the same config. */
  readonly clock?: boolean;
}

/** By name, such as `val/loss`; `*` in a name matches anything: `time/plugin/*`. */
export type MetricTable = Readonly<Record<string, MetricDescription>>;

interface Pattern {
  readonly plugin: string;
  /** The declared name. */
  readonly name: string;
  readonly pattern: RegExp;
  readonly description: MetricDescription;
}

/** The metrics that the plugins of a run declare. Sinks inject it. */
export class MetricNames {
  readonly #exact = new Map<string, MetricDescription>();
  readonly #owners = new Map<string, string[]>();
  readonly #patterns: Pattern[] = [];
  /** Metrics that a plugin bases decisions on: `RunState.measured` keeps them. */
  readonly deciding = new Set<string>();

  /** @param tables each with the name of its plugin */
  constructor(tables: Iterable<readonly [plugin: string, table: MetricTable]>) {
    for (const [plugin, table] of tables) {
      for (const [name, description] of Object.entries(table)) {
        if (name.includes('*')) {
          this.#patterns.push({ plugin, name, pattern: patternOf(name), description });
        } else {
          this.#exact.set(name, description);
          this.#owners.set(name, [...this.ownersOf(name), plugin]);
        }
      }
    }
  }

  /**
   * Lists the metrics that a pattern means in this run; the pattern then no longer declares other names that match it.
   */
  spellOut(pattern: string, names: readonly string[]): void {
    const at = this.#patterns.findIndex(({ name }) => name === pattern);
    const [spelled] = at < 0 ? [] : this.#patterns.splice(at, 1);
    if (spelled === undefined) return;
    for (const name of names) {
      this.#exact.set(name, spelled.description);
      this.#owners.set(name, [...this.ownersOf(name), spelled.plugin]);
    }
  }

  /**
   * Makes `RunState.measured` keep a metric that a plugin bases decisions on. Call it in `run:setup`.
   * @param where place and key of the setting, as messages start
   * @throws UsageError if no plugin of the run declares it
   */
  decide(name: string, where: string): void {
    if (this.describe(name) === undefined) {
      const patterns = this.#patterns.map((each) => each.name);
      const near = suggestion(name, [...this.names(), ...patterns], 'its metrics');
      throw new UsageError('ESP_METRIC_UNKNOWN', `${where}: no plugin of this run publishes "${name}": ${near}`);
    }
    this.deciding.add(name);
  }

  /** Returns the plugins that declare a metric by name, not by a pattern. */
  ownersOf(name: string): readonly string[] {
    return this.#owners.get(name) ?? [];
  }

  /** Returns the names that a plugin declares, without patterns. */
  namesOf(plugin: string): string[] {
    return this.names().filter((name) => this.ownersOf(name).includes(plugin));
  }

  /** Returns true if a plugin declares a metric, by name or by a pattern. */
  isOf(plugin: string, name: string): boolean {
    const matches = this.#patterns.some((each) => each.plugin === plugin && each.pattern.test(name));
    return matches || this.ownersOf(name).includes(plugin);
  }

  /** Returns a metric's description; undefined if no plugin of the run declares it. */
  describe(name: string): MetricDescription | undefined {
    return this.#exact.get(name) ?? this.#patterns.find(({ pattern }) => pattern.test(name))?.description;
  }

  /**
   * Splits values into those that are a function of config, data and engine, and those that depend on the clock or
   * machine.
   */
  split(values: Readonly<Record<string, number>>): { exact: Record<string, number>; clock: Record<string, number> } {
    const exact: Record<string, number> = {};
    const clock: Record<string, number> = {};
    for (const [name, value] of Object.entries(values)) {
      (this.describe(name)?.clock === true ? clock : exact)[name] = value;
    }
    return { exact, clock };
  }

  /** Returns the declared names, without patterns. */
  names(): string[] {
    return [...this.#exact.keys()];
  }
}

/**
 * Refuses values that are not numbers. Warns once per name of metrics that nobody declares (a typo would be a curve
 * that nobody finds) and of those that another plugin declares too (sinks keep only the last value).
 */
export function watchMetrics(bus: EventBus, metrics: MetricNames, log: Logger): void {
  const told = new Set<string>();
  const tellOnce = (key: string, line: () => string): void => {
    if (told.has(key)) return;
    told.add(key);
    log.warn(line());
  };
  bus.listen({ plugin: 'core', event: 'metrics', critical: true }, ({ values, plugin }) => {
    // The last running listener is this one.
    const publisher = plugin ?? bus.running.at(-2)?.plugin;
    for (const [name, value] of Object.entries<unknown>(values)) {
      if (typeof value !== 'number') throw noNumber(name, value, publisher);
      const owners = metrics.ownersOf(name);
      if (publisher !== undefined && owners.length > 0 && !owners.includes(publisher)) {
        const both = `plugin ${publisher} publishes the metric "${name}" of plugin ${owners.join(', ')}`;
        tellOnce(`${publisher} ${name}`, () => `${both}, so sinks keep only the last value; rename one of them`);
      }
      if (metrics.describe(name) !== undefined) continue;
      const of = publisher === undefined ? '' : ` of plugin ${publisher}`;
      const near = suggestion(name, metrics.names(), 'declared ones');
      tellOnce(
        name,
        () => `metric "${name}"${of} is not declared: ${near} Declare it, with its unit, in \`metrics\` of the plugin`,
      );
    }
  });
}

function noNumber(name: string, value: unknown, publisher = 'unknown'): PluginError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  const what = `the metric "${name}" is ${shown}, of type ${typeof value}; publish a number, or leave the metric out`;
  return new PluginError(publisher, 'metrics', new EspalierError('ESP_METRIC', what));
}

function patternOf(name: string): RegExp {
  const parts = name.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.+')}$`);
}
