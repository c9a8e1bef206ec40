import { z } from 'zod';
import { inject, Plugin, PluginConfig, tf, type Bindings } from '../../core/index.js';
import { type LossTerm, LossTerms, type TermPass } from './contract.js';

const options = z
  .strictObject({
    weight: z.number().min(0).default(1e-4).describe('what it counts beside cross-entropy; 0 turns it off'),
  })
  .meta({ resume: 'warn' });

/**
 * Mean of log² Z, where Z is the sum of the logits' exponentials.
 * Source: Chowdhery et al., "PaLM: scaling language modeling with pathways", 2022, section 5.
 */
@Plugin({
  name: 'z-loss',
  summary: 'Keeps logits from drifting: adds the squared logarithm of their sum of exponentials to the loss.',
  config: options,
  metrics: {
    'train/z_loss': {
      unit: '',
      what: 'mean square of the logarithm of the logits’ sum of exponentials, over one iteration',
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
