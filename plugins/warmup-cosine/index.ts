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
  Tunables,
  type Bindings,
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
