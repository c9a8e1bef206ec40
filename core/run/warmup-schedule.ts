import { z } from 'zod';
import { ConfigPlaces } from '../config/places.js';
import { RunConfig } from '../config/schema.js';
import type { LearningRate } from '../contracts/learning-rate.js';
import { ScheduleCheck } from '../contracts/operation.js';
import type { RunStart } from '../events/payloads.js';
import { Logger } from '../logger.js';
import { inject, injectable, On } from '../plugins/plugin.js';
import { Tunables, type Tunable } from './tunables.js';

/** The option that every schedule with a warm-up has: spread into its own. */
export const warmupOptions = {
  warmup_iters: z.int().min(0).default(100).describe('iterations of linear warm-up').meta({ resume: 'free' }),
};

/** The options of a schedule that ends: spread into its own. */
export const decayOptions = {
  ...warmupOptions,
  decay_iters: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('iteration at which min_lr is reached; null: train.max_iters')
    .meta({ resume: 'free' }),
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

/** What `WarmupSchedule` works with. Inject it by this class. */
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

/**
 * A schedule with a linear warm-up: it says which rate follows. The operations of a scaling schedule
 * (`set_warmup_iters`, `reset_lr_schedule`) and warnings of numbers that do not fit the run come with it.
 */
export abstract class WarmupSchedule implements LearningRate {
  readonly #warmup: Tunable;
  readonly #offset: Tunable;
  readonly #config: WarmupConfig;
  readonly #parts: ScheduleParts;

  constructor(config: WarmupConfig, parts: ScheduleParts) {
    this.#config = config;
    this.#parts = parts;
    this.#warmup = parts.tunables.define('warmup_iters', config.warmup_iters, { least: 0, whole: true });
    this.#offset = parts.tunables.define('lr_schedule_offset', 0, { least: 0, whole: true });
  }

  /**
   * The rate when the warm-up is over: `base` in its first iteration, unless the schedule has ended.
   * @param iteration since the schedule began, from `warmup` on
   * @param base the optimizer's learning rate
   */
  protected abstract rateAfterWarmup(iteration: number, warmup: number, base: number): number;

  /** Iterations of the run since which the schedule goes; more than 0 when a scaling schedule has started it again. */
  protected get offset(): number {
    return this.#offset.value;
  }

  /** From base / (warmup + 1), as in nanoGPT: the first iteration trains, too. */
  at(runIteration: number, base: number): number {
    const warmup = this.#warmup.value;
    const iteration = runIteration - this.offset;
    if (iteration < warmup) return (base * (iteration + 1)) / (warmup + 1);
    return this.rateAfterWarmup(iteration, warmup, base);
  }

  /** A preset's min_lr stays when a lower learning rate is set over it. */
  @On('run:setup')
  warnOfRise(): void {
    const { min_lr: lowest = null, decay_iters: end } = this.#config;
    const rate = this.#parts.tunables.values().get('learning_rate');
    if (lowest === null || rate === undefined || lowest <= rate) return;
    const mend = end === undefined ? 'lower it' : 'lower it, or set lr.min_lr=null for a tenth';
    this.#warn(
      'min_lr',
      lowest,
      `above the optimizer’s learning rate ${String(rate)}: after the warm-up the rate rises to it; ${mend}`,
    );
  }

  /** A preset's numbers of iterations stay when another max_iters is set over it. */
  @On('run:setup')
  warnOfMisfit(): void {
    const { places, run, steps: schedule } = this.#parts;
    const { max_iters: most } = run.train;
    const { warmup_iters: warmup, decay_iters: end = null } = this.#config;
    const steps = schedule?.operationNames() ?? [];
    // A schedule that starts again within the run, or changes the warm-up, is meant to be shorter.
    if (most === 0 || steps.includes('reset_lr_schedule')) return;
    const place = places.of(['train', 'max_iters']);
    const iterations = `train.max_iters ${String(most)}${place === undefined ? '' : ` (${place})`}`;
    const mend = 'lr.decay_iters=null ends the decay with the run';
    if (warmup >= most && !steps.some((name) => name.endsWith('_warmup_iters'))) {
      this.#warn('warmup_iters', warmup, `not less than ${iterations}: the run ends within the warm-up; give fewer`);
    } else if (end !== null && end < most) {
      const rest = `the last ${String(most - end)} iterations train at lr.min_lr`;
      this.#warn('decay_iters', end, `less than ${iterations}: ${rest}; ${mend}`);
    } else if (end !== null && end > most) {
      const rest = 'the run ends before lr.min_lr is reached';
      this.#warn('decay_iters', end, `more than ${iterations}: ${rest}; ${mend}`);
    }
  }

  /** With another max_iters the rest of a resumed run has other rates than it would have had. */
  @On('run:start')
  tellStretched({ state, maxIters, maxItersBefore: before = maxIters }: RunStart): void {
    if (before === maxIters || this.#config.decay_iters !== null) return;
    this.#parts.log.warn(
      `the learning rate’s schedule ends at train.max_iters ${String(maxIters)}, not at ${String(before)} any more: rates from iteration ${String(state.iteration)} on are not those that were to come; --set lr.decay_iters=${String(before - this.offset)} keeps them`,
    );
  }

  #warn(key: string, value: number, what: string): void {
    this.#parts.log.warn(`${this.#parts.places.before(['lr', key])}lr.${key} ${String(value)} is ${what}`);
  }
}

/** A schedule that goes from the optimizer's rate down to min_lr, and stays there. */
export abstract class DecaySchedule extends WarmupSchedule {
  readonly #ending: DecayConfig;
  readonly #run: RunConfig;

  constructor(config: DecayConfig, parts: ScheduleParts) {
    super(config, parts);
    this.#ending = config;
    this.#run = parts.run;
  }

  /**
   * The share of the way from min_lr up to the optimizer's rate: 1 at `warmup`, 0 at `end`.
   * @param iteration since the schedule began, from `warmup` to `end`
   */
  protected abstract shareLeft(iteration: number, warmup: number, end: number): number;

  protected override rateAfterWarmup(iteration: number, warmup: number, base: number): number {
    const end = this.#ending.decay_iters ?? this.#run.train.max_iters - this.offset;
    const lowest = this.#ending.min_lr ?? base / 10;
    if (iteration > end || end <= warmup) return lowest;
    return lowest + this.shareLeft(iteration, warmup, end) * (base - lowest);
  }
}
