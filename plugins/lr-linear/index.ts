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

/** Source: Devlin et al., "BERT", NAACL 2019, appendix A.2, which decays to 0; warm-up as in nanoGPT. */
@Plugin({
  name: 'lr-linear',
  summary: 'Linear warm-up, then a straight line down to min_lr.',
  slot: 'lr',
  config: options,
})
export default class Linear extends DecaySchedule {
  static register(bindings: Bindings): void {
    bindings.bind(LearningRate, Linear);
  }

  constructor(@inject(PluginConfig) config: z.output<typeof options>, @inject(ScheduleParts) parts: ScheduleParts) {
    super(config, parts);
  }

  protected override shareLeft(iteration: number, warmup: number, end: number): number {
    return (end - iteration) / (end - warmup);
  }
}
