import { z } from 'zod';
import {
  globalNorm,
  inject,
  Optimizer,
  Plugin,
  PluginConfig,
  Tunables,
  UsageError,
  tf,
  type Bindings,
  type Carry,
  type OptimizerState,
  type OptimizerStep,
  type Tunable,
} from '../../core/index.js';
import { adamwStep, type AdamWSettings } from '../ops/contract.js';

const beta = z.number().min(0).lt(1);
const options = z
  .strictObject({
    learning_rate: z
      .number()
      .min(0)
      .default(1e-3)
      .describe('the rate that the schedule starts from')
      .meta({ aka: ['lr', 'max_lr', 'rate'] }),
    weight_decay: z
      .number()
      .min(0)
      .default(0.1)
      .describe('decay of tensors of two or more dimensions; others have none')
      .meta({ aka: ['decay', 'wd'] }),
    beta1: beta.default(0.9).describe('decay of the mean of gradients'),
    beta2: beta.default(0.99).describe('decay of the mean of squared gradients'),
    eps: z.number().gt(0).default(1e-8).describe('added to the divisor'),
  })
  .meta({ resume: 'free' });

/** Added to the norm when gradients are clipped, as torch.nn.utils.clip_grad_norm_ does. */
const CLIP_EPSILON = 1e-6;
const MOMENTS = ['exp_avg', 'exp_avg_sq'] as const;

@Plugin({
  name: 'adamw',
  summary: 'AdamW with PyTorch’s arithmetic, and clipping by the global norm.',
  slot: 'optimizer',
  config: options,
})
export default class AdamW implements Optimizer {
  static register(bindings: Bindings): void {
    bindings.bind(Optimizer, AdamW);
  }

  static readonly numbersPerWeight = MOMENTS.length;

  /** Updates of each weight that has moments. */
  readonly #steps = new Map<string, number>();
  readonly #moments = new Map<string, tf.Tensor>();

  readonly #rate: Tunable;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Tunables) tunables: Tunables,
  ) {
    this.#rate = tunables.define('learning_rate', config.learning_rate, { least: 0, whole: false });
  }

  get learningRate(): number {
    return this.#rate.value;
  }

  step({ parameters, gradients, learningRate, gradClip, gradNorm }: OptimizerStep): number {
    const norm = gradNorm ?? globalNorm([...gradients.values()]);
    const gradientScale = gradClip > 0 ? Math.min(1, gradClip / (norm + CLIP_EPSILON)) : 1;
    tf.tidy(() => {
      for (const [step, names] of this.#byNextStep(parameters)) {
        this.#update(names, gradients, { learningRate, gradientScale, step });
      }
    });
    return norm;
  }

  /**
   * In an order that does not depend on when a weight began to be trained. `step` is the count of most steps;
   * `NAME.step` that of a weight that has another.
   */
  exportState(): OptimizerState {
    const tensors = new Map([...this.#moments].sort(([a], [b]) => (a < b ? -1 : 1)));
    const step = Math.max(0, ...this.#steps.values());
    const others = [...this.#steps].filter(([, own]) => own !== step).sort(([a], [b]) => (a < b ? -1 : 1));
    return { tensors, scalars: { step, ...Object.fromEntries(others.map(([name, own]) => [`${name}.step`, own])) } };
  }

  /** A gradient that is a share of what it was has a mean of that share, and a mean square of its square. */
  carry(carries: ReadonlyMap<string, Carry>): void {
    const next = new Map<string, tf.Tensor>();
    const steps = new Map<string, number>();
    for (const [name, { from, axis = 0, index, share }] of carries) {
      MOMENTS.forEach((moment, power) => {
        const old = this.#moments.get(`${from}.${moment}`);
        if (old === undefined) return;
        const made = tf.tidy(() => {
          const picked = index === undefined ? tf.clone(old) : tf.gather(old, tf.tensor1d([...index], 'int32'), axis);
          if (share === undefined) return picked;
          const factors = share.map((each) => each ** (power + 1));
          return tf.mul(
            picked,
            axis === 0 && old.rank === 2 ? tf.tensor2d(factors, [factors.length, 1]) : tf.tensor1d(factors),
          );
        });
        next.set(`${name}.${moment}`, tf.keep(made));
        steps.set(name, this.#steps.get(from) ?? 0);
      });
    }
    this.dispose();
    for (const [name, tensor] of next) this.#moments.set(name, tensor);
    for (const [name, step] of steps) this.#steps.set(name, step);
  }

  /** Checkpoints of before weights had counts of their own have one for all that have moments. */
  importState({ tensors, scalars }: OptimizerState, parameters: ReadonlyMap<string, tf.Variable>): void {
    this.dispose();
    for (const [name, variable] of parameters) {
      for (const moment of MOMENTS) {
        const tensor = tensors.get(`${name}.${moment}`);
        if (tensor === undefined) continue;
        if (String(tensor.shape) !== String(variable.shape)) {
          throw new UsageError(
            'ESP_OPTIMIZER_STATE',
            `the optimizer's ${name}.${moment} is [${String(tensor.shape)}], the weight [${String(variable.shape)}]`,
          );
        }
        this.#replace(`${name}.${moment}`, tf.keep(tf.clone(tensor)));
        this.#steps.set(name, scalars[`${name}.step`] ?? scalars['step'] ?? 0);
      }
    }
  }

  dispose(): void {
    for (const tensor of this.#moments.values()) tensor.dispose();
    this.#moments.clear();
    this.#steps.clear();
  }

  /** The weights by the number of the update that is theirs now: as a rule all have one. */
  #byNextStep(parameters: OptimizerStep['parameters']): Map<number, [string, tf.Variable][]> {
    const groups = new Map<number, [string, tf.Variable][]>();
    for (const entry of parameters) {
      const step = (this.#steps.get(entry[0]) ?? 0) + 1;
      const group = groups.get(step);
      if (group === undefined) groups.set(step, [entry]);
      else group.push(entry);
    }
    return groups;
  }

  #update(
    parameters: readonly (readonly [string, tf.Variable])[],
    gradients: OptimizerStep['gradients'],
    at: Pick<AdamWSettings, 'learningRate' | 'gradientScale' | 'step'>,
  ): void {
    const named = parameters.map(([name, variable]) => {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new Error(`the gradient of ${name} is missing`);
      return { name, variable, gradient };
    });
    const inputs = named.map(({ name, variable, gradient }) => ({
      parameter: variable,
      gradient,
      expAvg: this.#moments.get(`${name}.exp_avg`) ?? tf.zerosLike(variable),
      expAvgSq: this.#moments.get(`${name}.exp_avg_sq`) ?? tf.zerosLike(variable),
      weightDecay: variable.rank >= 2 ? this.config.weight_decay : 0,
    }));
    const { beta1, beta2, eps: epsilon } = this.config;
    const updated = adamwStep(inputs, { ...at, beta1, beta2, epsilon });
    for (const [index, { name, variable }] of named.entries()) {
      const next = updated[index];
      if (next === undefined) throw new Error(`the update left out ${name}`);
      variable.assign(next.parameter);
      this.#replace(`${name}.exp_avg`, tf.keep(next.expAvg));
      this.#replace(`${name}.exp_avg_sq`, tf.keep(next.expAvgSq));
      this.#steps.set(name, at.step);
    }
  }

  #replace(name: string, tensor: tf.Tensor): void {
    this.#moments.get(name)?.dispose();
    this.#moments.set(name, tensor);
  }
}
