import {
  Dataset,
  Engine,
  EspalierError,
  inject,
  injectable,
  isUsageError,
  MetricNames,
  Model,
  PluginError,
  Ranks,
  suggestion,
  useEngine,
  UsageError,
} from '../../../core/index.js';
import { pluginOf } from '../../../core/runs.js';
import { Evaluators, type Evaluator, type EvaluatorContext } from './evaluator.js';

/** Metrics that an evaluator has measured. */
export interface Measured {
  readonly evaluator: string;
  /** The plugin that declares the metrics. */
  readonly plugin: string;
  readonly values: Readonly<Record<string, number>>;
}

/** The evaluators of a run. */
@injectable()
export class RunEvaluators {
  constructor(
    @inject(Evaluators, { isOptional: true }) private readonly all: readonly Evaluator[] = [],
    @inject(MetricNames) private readonly metrics: MetricNames,
    @inject(Engine) private readonly engine: Engine,
    @inject(Model) private readonly model: Model,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Ranks) private readonly ranks: Ranks,
  ) {}

  /** @throws UsageError naming the plugins when two evaluators have the same name */
  refuseDuplicates(): void {
    for (const [index, each] of this.all.entries()) {
      const other = this.all.slice(0, index).find(({ name }) => name === each.name);
      if (other === undefined) continue;
      throw new UsageError(
        'ESP_EVALUATOR',
        `plugins ${pluginOf(other)} and ${pluginOf(each)} both add an evaluator named "${each.name}": turn one off, or rename it`,
      );
    }
  }

  names(): string[] {
    return this.all.map(({ name }) => name);
  }

  named(name: string): Evaluator | undefined {
    return this.all.find((each) => each.name === name);
  }

  /** Returns the evaluators due at an evaluation after `iteration` iterations. */
  due(iteration: number, maxIters: number): Evaluator[] {
    const falls = ({ interval = 0 }: Evaluator): boolean => interval === 0 || iteration % interval === 0;
    return this.all.filter((each) => iteration >= maxIters || falls(each));
  }

  /**
   * Returns a warning for each evaluator whose interval is not a multiple of the evaluation interval: it runs less
   * often.
   */
  intervalWarnings(interval: number): string[] {
    return this.all.flatMap((each) => {
      const own = each.interval ?? 0;
      if (own === 0 || interval === 0 || own % interval === 0) return [];
      const every = String(leastCommonMultiple(own, interval));
      const when = `evaluations are every ${String(interval)} iterations, and its interval is ${String(own)}`;
      return [`evaluator ${each.name} runs only every ${every} iterations and at the end: ${when}`];
    });
  }

  /**
   * Runs an evaluator.
   * @returns a function that checks and returns its metrics; do not call it if the evaluator was stopped
   */
  async measure(evaluator: Evaluator, context: Omit<EvaluatorContext, 'engine'>): Promise<() => Measured> {
    const { engine, model, data, ranks } = this;
    const plugin = pluginOf(evaluator);
    useEngine(engine);
    try {
      const values: unknown = await evaluator.run(model, data.tokenizer, ranks, { ...context, engine });
      return () => ({ evaluator: evaluator.name, plugin, values: this.#checked(evaluator, plugin, values) });
    } catch (thrown) {
      if (isUsageError(thrown)) throw thrown;
      throw new PluginError(plugin, `evaluator ${evaluator.name}`, thrown);
    } finally {
      useEngine(engine);
    }
  }

  /** Checks what an evaluator returned. @throws PluginError naming a metric that is undeclared, missing or infinite */
  #checked({ name, metrics }: Evaluator, plugin: string, returned: unknown): Record<string, number> {
    const refuse = (what: string): PluginError =>
      new PluginError(plugin, `evaluator ${name}`, new EspalierError('ESP_EVALUATOR', what));
    const own = this.metrics.namesOf(plugin);
    const values: Record<string, number> = {};
    if (typeof returned !== 'object' || returned === null)
      throw refuse('run() must return an object of metrics by name');
    for (const [metric, value] of Object.entries<unknown>({ ...returned })) {
      if (!this.metrics.isOf(plugin, metric)) {
        const near = suggestion(metric, own, 'its plugin’s');
        throw refuse(`it returned the metric "${metric}", which plugin ${plugin} does not declare: ${near}`);
      }
      if (typeof value !== 'number' || !(Number.isFinite(value) || Number.isNaN(value))) {
        throw refuse(`its metric "${metric}" is ${String(value)}: return a finite number, or NaN`);
      }
      values[metric] = value;
    }
    const missing = (metrics ?? own).find((metric) => values[metric] === undefined);
    if (missing === undefined) return values;
    const also = metrics === undefined ? ', or list the metrics that it always returns in `metrics`' : '';
    throw refuse(`it did not return the metric "${missing}", which plugin ${plugin} declares: return it${also}`);
  }
}

function leastCommonMultiple(a: number, b: number): number {
  const divisor = (x: number, y: number): number => (y === 0 ? x : divisor(y, x % y));
  return (a / divisor(a, b)) * b;
}
