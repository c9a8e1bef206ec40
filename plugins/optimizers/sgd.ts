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

const { groups, ...common } = commonOptions({ learningRate: 1e-2, weightDecay: 0 });
const options = z
  .strictObject({
    ...common,
    momentum: share.default(0.9).describe('momentum'),
    nesterov: z.boolean().default(false).describe('Nesterov momentum'),
    groups,
  })
  .refine(({ momentum, nesterov }) => !nesterov || momentum > 0, {
    error: 'needs momentum above 0',
    path: ['nesterov'],
  })
  .meta({ resume: 'free' });

/** As torch.optim.SGD: decay is added to the gradient, and momentum has no dampening. */
@Plugin({
  name: 'sgd',
  summary: 'Gradient descent with momentum, with PyTorch’s arithmetic.',
  slot: 'optimizer',
})
export default class Sgd extends WeightOptimizer<z.output<typeof options>> {
  static register(bindings: Bindings): void {
    bindings.bind(Optimizer, Sgd);
  }

  static readonly options = options;
  static readonly numbersPerWeight = 1;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(WeightOptimizerParts) parts: WeightOptimizerParts,
  ) {
    super({ momentum_buffer: 1 }, config, parts);
  }

  protected update(weights: readonly WeightUpdate[], { learningRate, gradientScale }: UpdateSettings): Updated[] {
    const { momentum, nesterov } = this.config;
    return weights.map(({ weight, gradient, weightDecay, kept }) => {
      const scaled = tf.mul(gradient, gradientScale);
      const direction = weightDecay === 0 ? scaled : tf.add(scaled, tf.mul<tf.Tensor>(weight, weightDecay));
      if (momentum === 0) return { weight: tf.sub(weight, tf.mul(direction, learningRate)), kept: {} };
      const buffer = tf.add(tf.mul(kept('momentum_buffer'), momentum), direction);
      const step = nesterov ? tf.add(direction, tf.mul(buffer, momentum)) : buffer;
      return { weight: tf.sub(weight, tf.mul(step, learningRate)), kept: { momentum_buffer: buffer } };
    });
  }
}
