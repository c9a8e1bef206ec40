import { inject, injectable, PluginConfig, type tf } from '../../../core/index.js';
import type { LossTerm, TermPass } from '../contract.js';
import type { DistillationOptions } from './options.js';

/** Cross-entropy once more, with what `cross_entropy` adds to its weight or takes from it. */
@injectable()
export class HardTargets implements LossTerm {
  readonly name = 'distillation-targets';
  readonly metric = 'train/distillation_targets';
  readonly weight: number;

  constructor(@inject(PluginConfig) config: Pick<DistillationOptions, 'cross_entropy'>) {
    this.weight = config.cross_entropy - 1;
  }

  compute(pass: TermPass): tf.Scalar {
    return pass.mean(pass.losses());
  }
}
