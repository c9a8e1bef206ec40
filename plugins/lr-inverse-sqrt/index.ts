import { z } from 'zod';
import {
  inject,
  LearningRate,
  Plugin,
  PluginConfig,
  ScheduleParts,
  warmupOptions,
  WarmupSchedule,
  type Bindings,
} from '../../core/index.js';

const options = z
  .strictObject({
    ...warmupOptions,
    min_lr: z.number().min(0).default(0).describe('learning rate that it does not fall below'),
  })
  .meta({ resume: 'free' });

/**
 * Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3, equation 3: steps are counted from 1,
 * the peak is the optimizer's rate in place of d_model^-0.5 · warmup_steps^-0.5, and warmup_steps is warmup_iters + 1.
 */
@Plugin({
  name: 'lr-inverse-sqrt',
  summary: 'Linear warm-up, then a decay by one over the square root of the iteration.',
  slot: 'lr',
  config: options,
})
export default class InverseSqrt extends WarmupSchedule {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, InverseSqrt);
  }

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(ScheduleParts) parts: ScheduleParts,
  ) {
    super(config, parts);
  }

  protected override rateAfterWarmup(iteration: number, warmup: number, base: number): number {
    return Math.max(this.config.min_lr, base * Math.sqrt((warmup + 1) / (iteration + 1)));
  }
}
