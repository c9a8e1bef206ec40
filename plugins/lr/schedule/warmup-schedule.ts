import { z } from 'zod';
import {
  LearningRate,
  type RunStart,
  Logger,
  inject,
  injectable,
  On,
  Plugin,
  PluginConfig,
  type Bindings,
  type PluginClass,
  Tunables,
  type Tunable,
  ConfigPlaces,
  RunConfig,
} from '../../../core/index.js';
import { ScheduleCheck } from '../../growth/contract.js';

/** Options of every schedule. */
export const warmupOptions = {
  warmup_iters: z
    .int()
    .min(0)
    .default(100)
    .describe('iterations of linear warm-up')
    .meta({ resume: 'free' })
    .meta({ aka: ['num_warmup_steps', 'warmup', 'warmup_steps'] }),
};

/** Options of schedules that end. */
export const decayOptions = {
  ...warmupOptions,
  decay_iters: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('iteration at which min_lr is reached; null: train.max_iters')
    .meta({ resume: 'free' })
    .meta({ aka: ['lr_decay_iters'] }),
  min_lr: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe('learning rate at the end; null: a tenth of the optimizer’s')
    .meta({ resume: 'free' }),
};

interface WarmupConfig {
  readonly warmup_iters: number;
  readonly decay_iters?: number | null;
  readonly min_lr?: number | null;
}
interface DecayConfig extends WarmupConfig {
  readonly decay_iters: number | null;
  readonly min_lr: number | null;
}

/** What a rate depends on, besides the iteration. Iterations are counted from the start of the schedule. */
export interface SchedulePoint<Options> {
  /** The optimizer's learning rate. */
  readonly base: number;
  /** Iterations of warm-up. */
  readonly warmup: number;
  /** `decay_iters`, or the last iteration of the run. */
  readonly end: number;
  readonly options: Options;
}

interface SchedulePlugin<Own extends z.ZodRawShape> {
  /** Unique; the name used in configs, logs and checkpoints. */
  readonly name: string;
  /** One sentence, shown by `espalier plugins`. */
  readonly summary: string;
  /** Options besides `warmup_iters` (and `decay_iters` and `min_lr`): describe each, and give defaults. */
  readonly options?: Own;
}

/** A schedule that computes the rate itself. */
export interface RateSchedule<Own extends z.ZodRawShape> extends SchedulePlugin<Own> {
  /**
   * Returns the learning rate of an iteration after the warm-up: `base` in the first one, unless the schedule has
   * ended. Must depend only on its arguments.
   */
  readonly rate: (iteration: number, at: SchedulePoint<WarmupConfig & z.output<z.ZodObject<Own>>>) => number;
  readonly decay?: undefined;
}

/**
 * A schedule that decays from the optimizer's rate to `min_lr` and stays there; it has the options `decay_iters` and
 * `min_lr`.
 */
export interface DecaySchedulePlugin<Own extends z.ZodRawShape> extends SchedulePlugin<Own> {
  /**
   * Returns the position between `min_lr` (0) and `base` (1): 1 at `at.warmup`, 0 at `at.end`. Must depend only on its
   * arguments.
   * @param iteration from `at.warmup` to `at.end`
   */
  readonly decay: (iteration: number, at: SchedulePoint<DecayConfig & z.output<z.ZodObject<Own>>>) => number;
  readonly rate?: undefined;
}

/**
 * Turns a function of the iteration into a plugin for the slot `lr`, with linear warm-up, the operations of a scaling
 * schedule (`set_warmup_iters`, `reset_lr_schedule`) and warnings about settings that do not fit the run.
 */
export function schedulePlugin<Own extends z.ZodRawShape = typeof warmupOptions>(
  schedule: RateSchedule<Own> | DecaySchedulePlugin<Own>,
): PluginClass {
  const { name, summary, options } = schedule;
  const shape = schedule.decay === undefined ? warmupOptions : decayOptions;
  @Plugin({ name, summary, slot: 'lr', config: z.strictObject({ ...shape, ...options }).meta({ resume: 'free' }) })
  class FromFunction extends Schedule<DecayConfig & z.output<z.ZodObject<Own>>> {
    static register(bindings: Bindings): void {
      bindings.bind(LearningRate, FromFunction);
    }

    constructor(
      @inject(PluginConfig) config: DecayConfig & z.output<z.ZodObject<Own>>,
      @inject(ScheduleParts) parts: ScheduleParts,
    ) {
      super(config, parts, schedule.rate ?? falling(schedule.decay));
    }
  }
  return FromFunction;
}

/** Converts a decay from 1 to 0 into rates from `base` to `min_lr`. */
function falling<Options extends DecayConfig>(
  share: (iteration: number, at: SchedulePoint<Options>) => number,
): (iteration: number, at: SchedulePoint<Options>) => number {
  return (iteration, at) => {
    const lowest = at.options.min_lr ?? at.base / 10;
    if (iteration > at.end || at.end <= at.warmup) return lowest;
    return lowest + share(iteration, at) * (at.base - lowest);
  };
}

/** What a schedule injects. Inject it by this class. */
@injectable()
export class ScheduleParts {
  constructor(
    @inject(RunConfig) readonly run: RunConfig,
    @inject(Tunables) readonly tunables: Tunables,
    @inject(ConfigPlaces) readonly places: ConfigPlaces,
    @inject(Logger) readonly log: Logger,
    @inject(ScheduleCheck, { isOptional: true }) readonly steps: ScheduleCheck | undefined,
  ) {}
}

/** The schedule of a run: the warm-up, then `afterWarmup`. */
class Schedule<Options extends WarmupConfig> implements LearningRate {
  readonly #warmup: Tunable;
  /** Iterations of the run before the schedule started; above 0 after `reset_lr_schedule`. */
  readonly #offset: Tunable;

  constructor(
    private readonly options: Options,
    private readonly parts: ScheduleParts,
    private readonly afterWarmup: (iteration: number, at: SchedulePoint<Options>) => number,
  ) {
    this.#warmup = parts.tunables.define('warmup_iters', options.warmup_iters, { least: 0, whole: true });
    this.#offset = parts.tunables.define('lr_schedule_offset', 0, { least: 0, whole: true });
  }

  /** Starts at base / (warmup + 1), as in nanoGPT, so that the first iteration trains too. */
  at(runIteration: number, base: number): number {
    const { options } = this;
    const warmup = this.#warmup.value;
    const iteration = runIteration - this.#offset.value;
    if (iteration < warmup) return (base * (iteration + 1)) / (warmup + 1);
    const end = options.decay_iters ?? this.parts.run.train.max_iters - this.#offset.value;
    return this.afterWarmup(iteration, { base, warmup, end, options });
  }

  /** A lower learning rate set over a preset leaves the preset's min_lr in place. */
  @On('run:setup')
  warnOfRise(): void {
    const { min_lr: lowest = null, decay_iters: end } = this.options;
    const rate = this.parts.tunables.values().get('learning_rate');
    if (lowest === null || rate === undefined || lowest <= rate) return;
    const fix = end === undefined ? 'lower it' : 'lower it, or set lr.min_lr=null for a tenth';
    this.#warn(
      'min_lr',
      lowest,
      `above the optimizer’s learning rate ${String(rate)}: after the warm-up the rate rises to it; ${fix}`,
    );
  }

  /** Another max_iters set over a preset leaves the preset's numbers of iterations in place. */
  @On('run:setup')
  warnOfMisfit(): void {
    const { places, run, steps: schedule } = this.parts;
    const { max_iters: most } = run.train;
    const { warmup_iters: warmup, decay_iters: end = null } = this.options;
    const steps = schedule?.operationNames() ?? [];
    // A schedule that restarts during the run, or changes the warm-up, is meant to be shorter.
    if (most === 0 || steps.includes('reset_lr_schedule')) return;
    const place = places.of(['train', 'max_iters']);
    const iterations = `train.max_iters ${String(most)}${place === undefined ? '' : ` (${place})`}`;
    const fix = 'lr.decay_iters=null ends the decay with the run';
    if (warmup >= most && !steps.some((name) => name.endsWith('_warmup_iters'))) {
      this.#warn('warmup_iters', warmup, `not less than ${iterations}: the run ends within the warm-up; give fewer`);
    } else if (end !== null && end < most) {
      const rest = `the last ${String(most - end)} iterations train at lr.min_lr`;
      this.#warn('decay_iters', end, `less than ${iterations}: ${rest}; ${fix}`);
    } else if (end !== null && end > most) {
      const rest = 'the run ends before lr.min_lr is reached';
      this.#warn('decay_iters', end, `more than ${iterations}: ${rest}; ${fix}`);
    }
  }

  /** With another max_iters, the rest of a resumed run has different rates. */
  @On('run:start')
  warnOfStretch({ state, maxIters, maxItersBefore: before = maxIters }: RunStart): void {
    if (before === maxIters || this.options.decay_iters !== null) return;
    this.parts.log.warn(
      `the learning rate’s schedule ends at train.max_iters ${String(maxIters)}, which was ${String(before)}: rates from iteration ${String(state.iteration)} on differ from the earlier schedule; --set lr.decay_iters=${String(before - this.#offset.value)} keeps them`,
    );
  }

  #warn(key: string, value: number, what: string): void {
    this.parts.log.warn(`${this.parts.places.before(['lr', key])}lr.${key} ${String(value)} is ${what}`);
  }
}

/** Kept until 1.0 for plugins that extend it; use `schedulePlugin` with `rate` instead. */
export abstract class WarmupSchedule extends Schedule<WarmupConfig> {
  constructor(config: WarmupConfig, parts: ScheduleParts) {
    super(config, parts, (iteration, { warmup, base }) => this.rateAfterWarmup(iteration, warmup, base));
  }

  protected abstract rateAfterWarmup(iteration: number, warmup: number, base: number): number;
}

/** Kept until 1.0 for plugins that extend it; use `schedulePlugin` with `decay` instead. */
export abstract class DecaySchedule extends Schedule<DecayConfig> {
  constructor(config: DecayConfig, parts: ScheduleParts) {
    super(
      config,
      parts,
      falling((iteration, { warmup, end }) => this.shareLeft(iteration, warmup, end)),
    );
  }

  protected abstract shareLeft(iteration: number, warmup: number, end: number): number;
}
