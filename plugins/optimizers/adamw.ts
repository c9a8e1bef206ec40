import { z } from 'zod';
import { inject, Optimizer, Plugin, PluginConfig, type Bindings, type UnreadStep } from '../../core/index.js';
import { ADAMW_KEPT, adamwUpdate } from './shared/adamw-update.js';
import { adamwOptions, commonOptions } from './shared/options.js';
import {
  WeightOptimizer,
  WeightOptimizerParts,
  type Updated,
  type UpdateSettings,
  type WeightUpdate,
} from './shared/weight-optimizer.js';

const { groups, ...common } = commonOptions({ learningRate: 1e-3, weightDecay: 0.1 });
const options = z.strictObject({ ...common, ...adamwOptions, groups }).meta({ resume: 'free' });

@Plugin({
  name: 'adamw',
  summary: 'AdamW with PyTorch’s arithmetic, and clipping by the global norm.',
  slot: 'optimizer',
})
export default class AdamW extends WeightOptimizer<z.output<typeof options>> {
  static register(bindings: Bindings): void {
    bindings.bind(Optimizer, AdamW);
  }

  static readonly options = options;
  static readonly numbersPerWeight = 2;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(WeightOptimizerParts) parts: WeightOptimizerParts,
  ) {
    super(ADAMW_KEPT, config, parts);
  }

  stepUnread(step: UnreadStep): () => void {
    return this.stepByNorm(step);
  }

  protected update(weights: readonly WeightUpdate[], settings: UpdateSettings): Updated[] {
    const { beta1, beta2, eps: epsilon } = this.config;
    return adamwUpdate(weights, { ...settings, beta1, beta2, epsilon });
  }
}
