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

const options = z.strictObject(warmupOptions).meta({ resume: 'free' });

/** Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2, for the warm-up; that of nanoGPT. */
@Plugin({
  name: 'lr-constant',
  summary: 'Linear warm-up, then the optimizer’s rate.',
  slot: 'lr',
  config: options,
})
export default class Constant extends WarmupSchedule {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, Constant);
  }

  constructor(@inject(PluginConfig) config: z.output<typeof options>, @inject(ScheduleParts) parts: ScheduleParts) {
    super(config, parts);
  }

  protected override rateAfterWarmup(_iteration: number, _warmup: number, base: number): number {
    return base;
  }
}
