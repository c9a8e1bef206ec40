import { z } from 'zod';
import { inject, Optimizer, Plugin, PluginConfig, tf, type Bindings } from '../../core/index.js';
import { commonOptions, share } from './shared/options.js';
import {
  WeightOptimizer,
  WeightOptimizerParts,
  type Updated,
  type UpdateSettings,
  type WeightUpdate,
} from './shared/weight-optimizer.js';

const { groups, ...common } = commonOptions({ learningRate: 1e-4, weightDecay: 0.1 });
const options = z
  .strictObject({
    ...common,
    beta1: share.default(0.9).describe('weight of the momentum in the direction of the step'),
    beta2: share.default(0.99).describe('decay of the momentum'),
    groups,
  })
  .meta({ resume: 'free' });

/**
 * Each element moves up or down by the learning rate.
 * Source: Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.
 */
@Plugin({
  name: 'lion',
  summary:
    'Lion: steps of the sign of the momentum; rates of a third to a tenth of AdamW’s, decay as many times larger.',
  slot: 'optimizer',
})
export default class Lion extends WeightOptimizer<z.output<typeof options>> {
  static register(bindings: Bindings): void {
    bindings.bind(Optimizer, Lion);
  }

  static readonly options = options;
  static readonly numbersPerWeight = 1;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(WeightOptimizerParts) parts: WeightOptimizerParts,
  ) {
    super({ exp_avg: 1 }, config, parts);
  }

  protected update(weights: readonly WeightUpdate[], { learningRate, gradientScale }: UpdateSettings): Updated[] {
    const { beta1, beta2 } = this.config;
    return weights.map(({ weight, gradient, weightDecay, kept }) => {
      const scaled = tf.mul(gradient, gradientScale);
      const mixed = (beta: number): tf.Tensor => tf.add(tf.mul(kept('exp_avg'), beta), tf.mul(scaled, 1 - beta));
      const decayed = tf.mul(weight, 1 - learningRate * weightDecay);
      return { weight: tf.sub(decayed, tf.mul(tf.sign(mixed(beta1)), learningRate)), kept: { exp_avg: mixed(beta2) } };
    });
  }
}
