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

const options = z.strictObject(decayOptions).meta({ resume: 'free' });

/** Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts; warm-up as in nanoGPT. */
@Plugin({
  name: 'warmup-cosine',
  summary: 'Linear warm-up, then a cosine down to min_lr.',
  slot: 'lr',
  config: options,
})
export default class WarmupCosine extends DecaySchedule {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, WarmupCosine);
  }

  constructor(@inject(PluginConfig) config: z.output<typeof options>, @inject(ScheduleParts) parts: ScheduleParts) {
    super(config, parts);
  }

  protected override shareLeft(iteration: number, warmup: number, end: number): number {
    return 0.5 * (1 + Math.cos(Math.PI * ((iteration - warmup) / (end - warmup))));
  }
}
