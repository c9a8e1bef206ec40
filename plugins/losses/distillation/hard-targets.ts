import { inject, injectable, PluginConfig, type tf } from '../../../core/index.js';
import type { LossTerm, TermPass } from '../contract.js';
import type { DistillationOptions } from './options.js';

/** A second cross-entropy term, whose weight brings the total weight of cross-entropy to `cross_entropy`. */
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
