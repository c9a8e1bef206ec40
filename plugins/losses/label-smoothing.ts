import { z } from 'zod';
import { inject, Plugin, PluginConfig, tf, type Bindings } from '../../core/index.js';
import { type LossTerm, LossTerms, type TermPass } from './contract.js';

const options = z
  .strictObject({
    weight: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('share of the target spread evenly over all tokens; 0 disables it')
      .meta({ aka: ['label_smoothing', 'label_smoothing_factor'] }),
  })
  .meta({ resume: 'warn' });

/**
 * Cross-entropy with a uniform distribution minus that with the target: added to the loss, it gives
 * `torch.nn.functional.cross_entropy(label_smoothing=weight)`.
 * Source: Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016.
 */
@Plugin({
  name: 'label-smoothing',
  summary: 'Label smoothing: spreads a share of each target evenly over all tokens.',
  config: options,
  metrics: {
    'train/label_smoothing': {
      unit: 'nats',
      what: 'mean cross-entropy with a uniform distribution minus that with the target, over one iteration',
    },
  },
})
export default class LabelSmoothing implements LossTerm {
  static register(bindings: Bindings): void {
    bindings.add(LossTerms, LabelSmoothing);
  }

  readonly name = 'label-smoothing';
  readonly metric = 'train/label_smoothing';
  readonly weight: number;

  constructor(@inject(PluginConfig) config: z.output<typeof options>) {
    this.weight = config.weight;
  }

  compute(pass: TermPass): tf.Scalar {
    const even = tf.sub(pass.logSumExp(), tf.mean(pass.logits, -1)); // [batch, time]
    return pass.mean(tf.sub(even, pass.losses()));
  }
}
