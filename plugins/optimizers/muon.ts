import { z } from 'zod';
import { inject, Optimizer, Plugin, PluginConfig, tf, UsageError, type Bindings } from '../../core/index.js';
import { ADAMW_KEPT, adamwUpdate } from './shared/adamw-update.js';
import { orthogonal } from './shared/orthogonal.js';
import { adamwOptions, commonOptions, share } from './shared/options.js';
import {
  WeightOptimizer,
  WeightOptimizerParts,
  type Updated,
  type UpdateSettings,
  type WeightUpdate,
} from './shared/weight-optimizer.js';

const { groups, ...common } = commonOptions({ learningRate: 1e-3, weightDecay: 0.1 });
const options = z
  .strictObject({
    ...common,
    momentum: share.default(0.95).describe('momentum of matrices'),
    nesterov: z.boolean().default(true).describe('Nesterov momentum, for matrices'),
    ns_steps: z.int().min(1).max(99).default(5).describe('Newton–Schulz iterations'),
    adjust_lr_fn: z
      .enum(['match_rms_adamw', 'original'])
      .default('match_rms_adamw')
      .describe(
        'scaling of the rate by matrix shape; match_rms_adamw: use AdamW’s rates and decay; original: as in the first article',
      ),
    beta1: adamwOptions.beta1.describe('decay of the mean of gradients, for weights that AdamW updates'),
    beta2: adamwOptions.beta2.describe('decay of the mean of squared gradients, for weights that AdamW updates'),
    eps: adamwOptions.eps.describe('added to the denominator, for weights that AdamW updates'),
    groups,
  })
  .meta({ resume: 'free' });
type Config = z.output<typeof options>;

/**
 * Matrices in blocks are updated with their orthogonalized momentum; embeddings, head, norms and biases with AdamW.
 * Sources: Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is scalable for
 * LLM training", 2025 (match_rms_adamw); arithmetic of torch.optim.Muon, with products in the run's `precision`.
 */
@Plugin({
  name: 'muon',
  summary: 'Muon for the matrices of blocks, AdamW for all else.',
  slot: 'optimizer',
})
export default class Muon extends WeightOptimizer<Config> {
  static register(bindings: Bindings): void {
    bindings.bind(Optimizer, Muon);
  }

  static readonly options = options;
  static readonly numbersPerWeight = 2;

  constructor(@inject(PluginConfig) config: Config, @inject(WeightOptimizerParts) parts: WeightOptimizerParts) {
    super({ ...ADAMW_KEPT, momentum_buffer: 1 }, config, parts);
  }

  override prepare(parameters: ReadonlyMap<string, tf.Variable>): void {
    if (!this.knowsRoles) {
      throw new UsageError(
        'ESP_OPTIMIZER_GROUP',
        'muon treats matrices differently, but this model does not say what its weights are: bind WeightRoles in the model (docs/guides/optimizers.md), or use optimizer=adamw',
      );
    }
    super.prepare(parameters);
  }

  protected update(weights: readonly WeightUpdate[], settings: UpdateSettings): Updated[] {
    const { beta1, beta2, eps: epsilon } = this.config;
    const others = weights.filter((each) => !isMatrix(each));
    const updated = others.length === 0 ? [] : adamwUpdate(others, { ...settings, beta1, beta2, epsilon });
    const byName = new Map(others.map(({ name }, index) => [name, updated[index]]));
    return weights.map((each) => byName.get(each.name) ?? this.#turned(each, settings));
  }

  #turned({ weight, gradient, role, weightDecay, kept }: WeightUpdate, settings: UpdateSettings): Updated {
    const { momentum, nesterov, ns_steps: steps, adjust_lr_fn: adjust } = this.config;
    const { learningRate, gradientScale } = settings;
    const scaled = tf.mul(gradient, gradientScale);
    const buffer = between(kept('momentum_buffer'), scaled, 1 - momentum);
    const direction = nesterov ? between(scaled, buffer, momentum) : buffer;
    const parts = role?.parts === undefined ? [direction] : tf.split(direction, [...role.parts], 1);
    const turned = parts.map((part) => {
      const [input = 1, output = 1] = part.shape;
      return tf.mul(
        orthogonal(tf.reshape(part, [input, output]), steps),
        learningRate * factorOf(adjust, input, output),
      );
    });
    const decayed = tf.mul<tf.Tensor>(weight, 1 - learningRate * weightDecay);
    return { weight: tf.sub(decayed, tf.concat(turned, 1)), kept: { momentum_buffer: buffer } };
  }
}

/** @param share 0 gives `from`, 1 gives `to` */
function between(from: tf.Tensor, to: tf.Tensor, share: number): tf.Tensor {
  return tf.add(from, tf.mul(tf.sub(to, from), share));
}

function isMatrix({ role, weight }: WeightUpdate): boolean {
  return role?.role === 'matrix' && weight.rank === 2;
}

/** Matrices are [in, out] here, but [out, in] in PyTorch. */
function factorOf(adjust: Config['adjust_lr_fn'], input: number, output: number): number {
  return adjust === 'original' ? Math.sqrt(Math.max(1, output / input)) : 0.2 * Math.sqrt(Math.max(input, output));
}
