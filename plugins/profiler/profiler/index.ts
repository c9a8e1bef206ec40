import { z } from 'zod';
import {
  Engine,
  EventBus,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  Sections,
  type IterationEnd,
  type RequestsReady,
  type RunStart,
} from '../../../core/index.js';
import { peakFlops, remeasuredPeak, showFlops } from '../../engines/contract.js';
import { Account } from './account.js';
import { metricsOf, NO_TIME, since, totalsOf, type Totals } from './figures.js';
import { timeTree } from './tree.js';

const options = z
  .strictObject({
    interval: z.int().min(1).default(10).describe('iterations between timings, which are means since the last'),
    report_interval: z
      .int()
      .min(0)
      .default(0)
      .describe('iterations between timing trees in the log; 0: one at the end'),
    warn_above: z
      .number()
      .gt(0)
      .max(1)
      .default(0.05)
      .describe('warn once about a plugin that takes more than this share of iteration time; 1: never'),
    warn_window: z.int().min(1).default(100).describe('iterations over which that share is measured'),
    mfu: z
      .boolean()
      .default(true)
      .describe(
        'publish the share of this machine’s peak that is reached; measures the peak first, in 0.25 s, if it is unknown',
      ),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'profiler',
  summary: 'Reports where time goes, by section, plugin and event, and which share of the machine’s peak is reached.',
  config: options,
  critical: false,
  metrics: {
    'timing/plugin/*': {
      unit: 'share',
      what: 'share of iteration time spent in the listeners of the plugin, since the last value',
      clock: true,
    },
    'timing/*': { unit: 'ms', what: 'time in a section per iteration, since the last value', clock: true },
    mfu: {
      unit: 'share',
      what: 'model FLOPs utilization: model FLOPs per second of iteration time, as a share of the measured peak of this machine',
      clock: true,
    },
  },
})
export default class Profiler {
  readonly #account = new Account();
  #close: () => void = () => undefined;
  /** The machine's peak, in floating-point operations per second. */
  #peak: number | undefined;
  /** The highest rate measured above the known peak. The peak is then measured again, once. */
  #exceeded: number | undefined;
  #remeasured = false;
  readonly #warned = new Set<string>();
  #iterations = 0;
  #tokens = 0;
  /** Floating-point operations of the model so far, and the tokens they are counted for. */
  readonly #arithmetic = { flops: 0, tokens: 0 };
  #startTokens = 0;
  /** Totals when metrics were last published. */
  readonly #published = { totals: NO_TIME, flops: 0 };
  /** Totals when plugins were last compared with `warn_above`. */
  #compared: Totals = NO_TIME;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Sections) private readonly sections: Sections,
    @inject(Engine) private readonly engine: Engine,
    @inject(Model) private readonly model: Model,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(Logger) private readonly log: Logger,
  ) {}

  /** Only with one rank: several would disturb each other's measurement. */
  @On('run:start')
  async measurePeak(_: RunStart): Promise<void> {
    if (this.config.mfu && this.ranks.size === 1) this.#peak = await peakFlops(this.engine);
  }

  @On('run:start')
  start({ state }: RunStart): void {
    this.#tokens = this.#startTokens = this.#arithmetic.tokens = state.tokens;
    this.#close = this.#account.open(this.bus, this.sections);
  }

  @On('iteration:end')
  publish({ iteration, tokens }: IterationEnd): void | Promise<void> {
    const done = iteration + 1;
    this.#iterations++;
    this.#tokens = tokens;
    const { interval, warn_window: window, report_interval: report } = this.config;
    if (this.#iterations % window === 0) this.#warn(done);
    if (report > 0 && done % report === 0) this.#report();
    if (done % interval === 0) return this.bus.dispatch('metrics', { iteration: done, values: this.#figures() });
  }

  /** Measures the peak again between iterations, so that their time does not include it. */
  @On('requests:ready')
  correctPeak(_: RequestsReady): void | Promise<void> {
    if (this.#exceeded !== undefined && !this.#remeasured) return this.#correctPeak(this.#exceeded);
  }

  @On('run:end')
  async end(): Promise<void> {
    this.#close();
    if (this.#iterations === 0) return;
    this.#shareOf((1000 * this.#flops()) / this.#account.times.iterations);
    if (this.#exceeded !== undefined && !this.#remeasured) await this.#correctPeak(this.#exceeded);
    this.#report();
  }

  dispose(): void {
    this.#close();
  }

  #figures(): Record<string, number> {
    const totals = totalsOf(this.#account.times);
    const window = since(this.#published.totals, totals);
    const before = this.#published.flops;
    this.#published.totals = totals;
    this.#published.flops = this.#flops();
    const values = metricsOf(window, Math.min(this.config.interval, this.#iterations));
    const share = this.#shareOf((this.#published.flops - before) / (window.iterations / 1000));
    return share === undefined ? values : { ...values, mfu: share };
  }

  /**
   * Returns the share of the peak; never above 1, since a higher rate corrects the peak. Undefined if the peak is
   * unknown.
   */
  #shareOf(flops: number): number | undefined {
    if (this.#peak === undefined) return undefined;
    if (flops > this.#peak) this.#exceeded = Math.max(this.#exceeded ?? 0, flops);
    return flops / Math.max(this.#peak, this.#exceeded ?? 0);
  }

  async #correctPeak(reached: number): Promise<void> {
    this.#remeasured = true;
    const before = this.#peak ?? reached;
    const { flops } = await remeasuredPeak(this.engine, reached);
    this.#peak = flops;
    this.log.info(
      `profiler: this run reaches ${percent(reached / before)} of the peak of ${showFlops(before)}, which was measured on a busy machine: measured again, it is ${showFlops(flops)}`,
    );
  }

  /**
   * Returns the operations so far. A model that grows needs more per token, so each call counts only the tokens since
   * the last.
   */
  #flops(): number {
    this.#arithmetic.flops += (this.#tokens - this.#arithmetic.tokens) * this.model.trainingFlopsPerToken();
    this.#arithmetic.tokens = this.#tokens;
    return this.#arithmetic.flops;
  }

  #warn(done: number): void {
    const totals = totalsOf(this.#account.times);
    const { plugins, iterations } = since(this.#compared, totals);
    this.#compared = totals;
    for (const [plugin, milliseconds] of plugins) {
      const share = milliseconds / iterations;
      if (share <= this.config.warn_above || this.#warned.has(plugin)) continue;
      this.#warned.add(plugin);
      const window = `iterations ${String(done - this.config.warn_window + 1)} to ${String(done)}`;
      this.log.warn(
        `plugin ${plugin} takes ${percent(share)} of the loop's time (${window}), most of it at ${this.#slowestEvent(plugin)}; the limit for this warning is ${percent(this.config.warn_above)} (plugins.profiler.warn_above)`,
      );
    }
  }

  #slowestEvent(plugin: string): string {
    const own = [...this.#account.times.listeners.values()].filter((listener) => listener.plugin === plugin);
    return own.reduce((most, each) => (each.inIterations > most.inIterations ? each : most)).event;
  }

  #report(): void {
    if (this.ranks.rank !== 0) return;
    const { times } = this.#account;
    for (const line of timeTree(times, this.#iterations)) this.log.info(line);
    const perSecond = 1000 / times.iterations;
    const speed = `${Math.round((this.#tokens - this.#startTokens) * perSecond).toLocaleString('en-US')} tokens/s within iterations`;
    const flops = this.#flops() * perSecond;
    const share = this.#shareOf(flops);
    const peak = Math.max(this.#peak ?? 0, this.#exceeded ?? 0);
    const reached = share === undefined ? '' : `, ${percent(share)} of the peak of ${showFlops(peak)} (MFU)`;
    this.log.info(`  ${speed}: ${showFlops(flops)}${reached}`);
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
