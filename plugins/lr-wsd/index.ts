import { z } from 'zod';
import {
  decayOptions,
  DecaySchedule,
  inject,
  LearningRate,
  Plugin,
  PluginConfig,
  ScheduleParts,
  type Bindings,
} from '../../core/index.js';

const options = z
  .strictObject({
    ...decayOptions,
    cooldown_share: z
      .number()
      .gt(0)
      .max(1)
      .default(0.1)
      .describe('share of the iterations up to decay_iters that the decay takes, at their end'),
    cooldown_iters: z.int().min(1).nullable().default(null).describe('the same in iterations; null: cooldown_share'),
    shape: z.enum(['1-sqrt', 'linear']).default('1-sqrt').describe('of the decay: 1-sqrt falls faster at first'),
  })
  .meta({ resume: 'free' });

/**
 * Warm-up, stable, decay: a run may go on from the stable part for as long as one likes.
 * Sources: Hu et al., "MiniCPM", 2024, section 4.2, for the three parts; Hägele et al., "Scaling Laws and
 * Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024, for the shape 1-sqrt.
 */
@Plugin({
  name: 'lr-wsd',
  summary: 'Linear warm-up, then the full rate, then a decay to min_lr in the last iterations.',
  slot: 'lr',
  config: options,
})
export default class WarmupStableDecay extends DecaySchedule {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, WarmupStableDecay);
  }

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(ScheduleParts) parts: ScheduleParts,
  ) {
    super(config, parts);
  }

  protected override shareLeft(iteration: number, warmup: number, end: number): number {
    const { cooldown_iters: iterations, cooldown_share: share, shape } = this.config;
    const start = Math.max(warmup, end - (iterations ?? Math.round(share * end)));
    // A share that rounds to no iteration leaves the whole schedule stable, up to its end.
    if (iteration <= start) return iteration < end ? 1 : 0;
    const done = (iteration - start) / (end - start);
    return 1 - (shape === 'linear' ? done : Math.sqrt(done));
  }
}
