import { z } from 'zod';
import { inject, Plugin, PluginConfig, tf, type Bindings } from '../../core/index.js';
import { type LossTerm, LossTerms, type TermPass } from './contract.js';

const options = z
  .strictObject({
    weight: z.number().min(0).default(1e-4).describe('weight relative to cross-entropy; 0 disables it'),
  })
  .meta({ resume: 'warn' });

/**
 * Mean of log² Z, where Z is the sum of the exponentials of the logits.
 * Source: Chowdhery et al., "PaLM: scaling language modeling with pathways", 2022, section 5.
 */
@Plugin({
  name: 'z-loss',
  summary: 'Z-loss: adds the squared log-sum-exp of the logits to the loss, which keeps them from drifting.',
  config: options,
  metrics: {
    'train/z_loss': {
      unit: '',
      what: 'mean squared log-sum-exp of the logits, over one iteration',
    },
  },
})
export default class ZLoss implements LossTerm {
  static register(bindings: Bindings): void {
    bindings.add(LossTerms, ZLoss);
  }

  readonly name = 'z-loss';
  readonly metric = 'train/z_loss';
  readonly weight: number;

  constructor(@inject(PluginConfig) config: z.output<typeof options>) {
    this.weight = config.weight;
  }

  compute(pass: TermPass): tf.Scalar {
    return pass.mean(tf.square(pass.logSumExp()));
  }
}
