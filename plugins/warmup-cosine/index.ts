import { z } from 'zod';
import {
  ConfigPlaces,
  inject,
  LearningRate,
  Logger,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  ScheduleCheck,
  Tunables,
  type Bindings,
  type RunStart,
  type Tunable,
} from '../../core/index.js';

const options = z
  .strictObject({
    warmup_iters: z.int().min(0).default(100).describe('iterations of linear warm-up'),
    decay_iters: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('iteration at which min_lr is reached; null: train.max_iters'),
    min_lr: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe('learning rate at the end; null: a tenth of the optimizer’s'),
  })
  .meta({ resume: 'free' });

/** Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts; warm-up as in nanoGPT. */
@Plugin({
  name: 'warmup-cosine',
  summary: 'Linear warm-up, then a cosine down to min_lr.',
  slot: 'lr',
  config: options,
})
export default class WarmupCosine implements LearningRate {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, WarmupCosine);
  }

  readonly #warmup: Tunable;
  readonly #offset: Tunable;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(Tunables) private readonly tunables: Tunables,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
    @inject(Logger) private readonly log: Logger,
    @inject(ScheduleCheck, { isOptional: true }) private readonly steps: ScheduleCheck | undefined,
  ) {
    this.#warmup = tunables.define('warmup_iters', config.warmup_iters, { least: 0, whole: true });
    this.#offset = tunables.define('lr_schedule_offset', 0, { least: 0, whole: true });
  }

  /** A preset's min_lr stays when a lower learning rate is set over it. */
  @On('run:setup')
  warnOfRise(): void {
    const { min_lr: lowest } = this.config;
    const rate = this.tunables.values().get('learning_rate');
    if (lowest === null || rate === undefined || lowest <= rate) return;
    this.log.warn(
      `${this.places.before(['lr', 'min_lr'])}lr.min_lr ${String(lowest)} is above the optimizer’s learning rate ${String(rate)}: after the warm-up the rate rises to it; lower it, or set lr.min_lr=null for a tenth`,
    );
  }

  /** A preset's numbers of iterations stay when another max_iters is set over it. */
  @On('run:setup')
  warnOfMisfit(): void {
    const { max_iters: most } = this.run.train;
    const { warmup_iters: warmup, decay_iters: end } = this.config;
    const steps = this.steps?.operationNames() ?? [];
    // A schedule that starts again within the run, or changes the warm-up, is meant to be shorter.
    if (most === 0 || steps.includes('reset_lr_schedule')) return;
    const place = this.places.of(['train', 'max_iters']);
    const iterations = `train.max_iters ${String(most)}${place === undefined ? '' : ` (${place})`}`;
    const warn = (key: string, value: number, what: string): void => {
      this.log.warn(`${this.places.before(['lr', key])}lr.${key} ${String(value)} is ${what}`);
    };
    if (warmup >= most && !steps.some((name) => name.endsWith('_warmup_iters'))) {
      warn('warmup_iters', warmup, `not less than ${iterations}: the run ends within the warm-up; give fewer`);
    } else if (end !== null && end < most) {
      const rest = `the last ${String(most - end)} iterations train at lr.min_lr`;
      warn('decay_iters', end, `less than ${iterations}: ${rest}; lr.decay_iters=null ends the decay with the run`);
    } else if (end !== null && end > most) {
      const rest = 'the run ends before lr.min_lr is reached';
      warn('decay_iters', end, `more than ${iterations}: ${rest}; lr.decay_iters=null ends the decay with the run`);
    }
  }

  /** With another max_iters the rest of a resumed run has other rates than it would have had. */
  @On('run:start')
  tellStretched({ state, maxIters, maxItersBefore: before = maxIters }: RunStart): void {
    if (before === maxIters || this.config.decay_iters !== null) return;
    const kept = before - this.#offset.value;
    this.log.warn(
      `the learning rate’s schedule ends at train.max_iters ${String(maxIters)}, not at ${String(before)} any more: rates from iteration ${String(state.iteration)} on are not those that were to come; --set lr.decay_iters=${String(kept)} keeps them`,
    );
  }

  at(runIteration: number, base: number): number {
    const warmup = this.#warmup.value;
    const iteration = runIteration - this.#offset.value;
    const end = this.config.decay_iters ?? this.run.train.max_iters - this.#offset.value;
    const lowest = this.config.min_lr ?? base / 10;
    if (iteration < warmup) return (base * (iteration + 1)) / (warmup + 1);
    if (iteration > end || end <= warmup) return lowest;
    const ratio = (iteration - warmup) / (end - warmup);
    return lowest + 0.5 * (1 + Math.cos(Math.PI * ratio)) * (base - lowest);
  }
}
