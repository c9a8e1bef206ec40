import {
  groupOptions,
  inject,
  Optimizer,
  Plugin,
  PluginConfig,
  tf,
  WeightOptimizer,
  WeightOptimizerParts,
  z,
} from 'espalier';
import type { Bindings, Updated, UpdateSettings, WeightUpdate } from 'espalier';

const options = z.strictObject({
  learning_rate: z.number().min(0).default(1e-3).describe('the rate that the schedule starts from'),
  weight_decay: z.number().min(0).default(0).describe('decay of tensors of two or more dimensions'),
  decay: z.number().min(0).lt(1).default(0.9).describe('decay of the mean of squared gradients'),
  groups: groupOptions,
});

@Plugin({ name: 'rms-step', summary: 'the gradient over its root mean square', slot: 'optimizer', config: options })
export default class RmsStep extends WeightOptimizer<z.output<typeof options>> {
  static register(bindings: Bindings): void {
    bindings.bind(Optimizer, RmsStep);
  }

  /** Numbers kept for each weight, for estimates of memory. */
  static readonly numbersPerWeight = 1;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(WeightOptimizerParts) parts: WeightOptimizerParts,
  ) {
    // What is kept, and the power of the gradient that it is a mean of.
    super({ mean_square: 2 }, config, parts);
  }

  protected update(weights: readonly WeightUpdate[], settings: UpdateSettings): Updated[] {
    const { decay } = this.config;
    return weights.map(({ weight, gradient, weightDecay, kept }) => {
      const scaled = tf.mul(gradient, settings.gradientScale);
      const meanSquare = tf.add(tf.mul(kept('mean_square'), decay), tf.mul(tf.square(scaled), 1 - decay));
      const step = tf.div(scaled, tf.add(tf.sqrt(meanSquare), 1e-8));
      const decayed = tf.mul<tf.Tensor>(weight, 1 - settings.learningRate * weightDecay);
      return { weight: tf.sub(decayed, tf.mul(step, settings.learningRate)), kept: { mean_square: meanSquare } };
    });
  }
}
