import {
  ConfigPlaces,
  globalNorm,
  inject,
  injectable,
  tf,
  Tunables,
  UsageError,
  type Carry,
  type Optimizer,
  type OptimizerState,
  type OptimizerStep,
  type Tunable,
  type UnreadStep,
} from '../../../core/index.js';
import { CLIP_EPSILON, type Clipping } from '../../ops/contract.js';
import { settingsOf, type WeightGroup, type WeightSettings } from './groups.js';
import { WeightRoles, type WeightRole } from './roles.js';

/**
 * The state tensors of a weight, by suffix: the power of the gradient that each averages (1 for momentum, 2 for
 * squares). When the model grows, an element whose gradient is a share of the old one's gets that power of the share.
 */
export type KeptPowers = Readonly<Record<string, 1 | 2>>;

/** A weight to update. */
export interface WeightUpdate {
  readonly name: string;
  readonly weight: tf.Variable;
  readonly gradient: tf.Tensor;
  readonly role: WeightRole | undefined;
  readonly weightDecay: number;
  /** Returns its state tensor with a suffix; zeros before its first update. */
  readonly kept: (suffix: string) => tf.Tensor;
}

/** A weight after its update, with its state. The tensors may share memory with those they replace. */
export interface Updated {
  readonly weight: tf.Tensor;
  readonly kept: Readonly<Record<string, tf.Tensor>>;
}

/** Settings that all weights of one `update` call share. */
export interface UpdateSettings {
  readonly learningRate: number;
  /** Multiplied into the gradients first (clipping). */
  readonly gradientScale: number;
  /** Clips further; only in steps of `stepUnread`. */
  readonly clipping?: Clipping | undefined;
  /** Number of this update of these weights, from 1. */
  readonly step: number;
}

/** What every optimizer injects, besides its options. Inject it by this class. */
@injectable()
export class WeightOptimizerParts {
  constructor(
    @inject(Tunables) readonly tunables: Tunables,
    @inject(ConfigPlaces) readonly places: ConfigPlaces,
    /** Set if the model declares the roles of its weights. */
    @inject(WeightRoles, { isOptional: true }) readonly roles: WeightRoles | undefined,
  ) {}
}

/** Options that every optimizer has. */
export interface WeightOptimizerOptions {
  readonly learning_rate: number;
  readonly weight_decay: number;
  readonly groups: readonly WeightGroup[];
}

/**
 * Base class of optimizers that update each weight from its own gradient and state. It provides groups, clipping by the
 * global norm, state that is restored exactly and grows with the model, and equal bits whether weights are stepped
 * together or in parts. A subclass computes the update.
 */
export abstract class WeightOptimizer<
  Options extends WeightOptimizerOptions = WeightOptimizerOptions,
> implements Optimizer {
  /** Number of updates of each weight that has state. */
  readonly #steps = new Map<string, number>();
  readonly #kept = new Map<string, tf.Tensor>();
  readonly #rate: Tunable;
  #settings: ReadonlyMap<string, WeightSettings> = new Map();
  #roles: ReadonlyMap<string, WeightRole> | undefined;

  protected constructor(
    private readonly powers: KeptPowers,
    protected readonly config: Options,
    private readonly parts: WeightOptimizerParts,
  ) {
    const { places } = parts;
    const fixed = config.groups.findIndex(({ lr }) => lr !== undefined);
    if (fixed >= 0 && config.learning_rate === 0) {
      throw new UsageError(
        'ESP_OPTIMIZER_GROUP',
        `${places.key(['optimizer', 'groups', String(fixed)])} sets an lr, but the schedule scales it relative to learning_rate, which is 0`,
      );
    }
    this.#rate = parts.tunables.define('learning_rate', config.learning_rate, { least: 0, whole: false });
  }

  /**
   * Updates weights that have the same number of updates and the same learning rate.
   * @returns one result per weight, in the same order
   */
  protected abstract update(weights: readonly WeightUpdate[], settings: UpdateSettings): readonly Updated[];

  /** Returns the default weight decay: weights with two or more dimensions have it. */
  protected decayOf({ rank }: tf.Variable): number {
    return rank >= 2 ? this.config.weight_decay : 0;
  }

  /** Returns whether the model declares the roles of its weights. */
  protected get knowsRoles(): boolean {
    return this.parts.roles !== undefined;
  }

  get learningRate(): number {
    return this.#rate.value;
  }

  prepare(parameters: ReadonlyMap<string, tf.Variable>): void {
    const { config } = this;
    const { places, roles } = this.parts;
    this.#roles = roles?.weightRoles();
    this.#settings = settingsOf(
      config.groups,
      { names: parameters.keys(), roles: this.#roles },
      {
        learningRate: config.learning_rate,
        weightDecay: (name) => {
          const variable = parameters.get(name);
          return variable === undefined ? 0 : this.decayOf(variable);
        },
      },
      (index) => places.key(['optimizer', 'groups', String(index)]),
    );
    for (const [name, { frozen }] of this.#settings) {
      const variable = parameters.get(name);
      if (frozen && variable !== undefined) variable.trainable = false;
    }
  }

  step({ parameters, gradients, learningRate, gradClip, gradNorm }: OptimizerStep): number {
    const norm = gradNorm ?? globalNorm([...gradients.values()]);
    const gradientScale = gradClip > 0 ? Math.min(1, gradClip / (norm + CLIP_EPSILON)) : 1;
    this.#updateAll({ parameters, gradients, learningRate }, { gradientScale });
    return norm;
  }

  /** `Optimizer.stepUnread`, for optimizers whose `update` takes `clipping`. */
  protected stepByNorm({ gradNorm: norm, gradClip, ...step }: UnreadStep): () => void {
    const before = [...this.#steps];
    this.#updateAll(step, { gradientScale: 1, clipping: { norm, gradClip } });
    return () => {
      this.#steps.clear();
      for (const [name, count] of before) this.#steps.set(name, count);
    };
  }

  #updateAll(
    { parameters, gradients, learningRate }: Pick<OptimizerStep, 'parameters' | 'gradients' | 'learningRate'>,
    settings: Pick<UpdateSettings, 'gradientScale' | 'clipping'>,
  ): void {
    tf.tidy(() => {
      for (const { step, rate, weights } of this.#alike(parameters, gradients)) {
        this.#update(weights, { ...settings, learningRate: learningRate * rate, step });
      }
    });
  }

  /**
   * Exported in an order that does not depend on when weights started training. `step` is the most common count of
   * steps; `NAME.step` is that of a weight that differs.
   */
  exportState(): OptimizerState {
    const tensors = new Map([...this.#kept].sort(([a], [b]) => (a < b ? -1 : 1)));
    const step = Math.max(0, ...this.#steps.values());
    const others = [...this.#steps].filter(([, own]) => own !== step).sort(([a], [b]) => (a < b ? -1 : 1));
    return { tensors, scalars: { step, ...Object.fromEntries(others.map(([name, own]) => [`${name}.step`, own])) } };
  }

  carry(carries: ReadonlyMap<string, Carry>): void {
    const next = new Map<string, tf.Tensor>();
    const steps = new Map<string, number>();
    for (const [name, { from, axis = 0, index, share }] of carries) {
      for (const [suffix, power] of Object.entries(this.powers)) {
        const old = this.#kept.get(`${from}.${suffix}`);
        if (old === undefined) continue;
        const made = tf.tidy(() => {
          const picked = index === undefined ? tf.clone(old) : tf.gather(old, tf.tensor1d([...index], 'int32'), axis);
          if (share === undefined) return picked;
          const factors = share.map((each) => each ** power);
          return tf.mul(
            picked,
            axis === 0 && old.rank === 2 ? tf.tensor2d(factors, [factors.length, 1]) : tf.tensor1d(factors),
          );
        });
        next.set(`${name}.${suffix}`, tf.keep(made));
        steps.set(name, this.#steps.get(from) ?? 0);
      }
    }
    this.dispose();
    for (const [name, tensor] of next) this.#kept.set(name, tensor);
    for (const [name, step] of steps) this.#steps.set(name, step);
  }

  /** Older checkpoints have one step count for all weights. */
  importState({ tensors, scalars }: OptimizerState, parameters: ReadonlyMap<string, tf.Variable>): void {
    this.dispose();
    for (const [name, variable] of parameters) {
      for (const suffix of Object.keys(this.powers)) {
        const tensor = tensors.get(`${name}.${suffix}`);
        if (tensor === undefined) continue;
        if (String(tensor.shape) !== String(variable.shape)) {
          throw new UsageError(
            'ESP_OPTIMIZER_STATE',
            `the optimizer's ${name}.${suffix} is [${String(tensor.shape)}], the weight [${String(variable.shape)}]`,
          );
        }
        this.#keep(`${name}.${suffix}`, tf.keep(tf.clone(tensor)));
        this.#steps.set(name, scalars[`${name}.step`] ?? scalars['step'] ?? 0);
      }
    }
  }

  dispose(): void {
    for (const tensor of this.#kept.values()) tensor.dispose();
    this.#kept.clear();
    this.#steps.clear();
  }

  /** Groups weights by update count and rate: without parameter groups there is usually one. */
  #alike(
    parameters: OptimizerStep['parameters'],
    gradients: OptimizerStep['gradients'],
  ): { step: number; rate: number; weights: WeightUpdate[] }[] {
    const found = new Map<string, { step: number; rate: number; weights: WeightUpdate[] }>();
    for (const [name, weight] of parameters) {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new Error(`the gradient of ${name} is missing`);
      const step = (this.#steps.get(name) ?? 0) + 1;
      const { rate, weightDecay } = this.#settings.get(name) ?? { rate: 1, weightDecay: this.decayOf(weight) };
      const key = `${String(step)} ${String(rate)}`;
      const alike = found.get(key) ?? { step, rate, weights: [] };
      found.set(key, alike);
      const kept = (suffix: string): tf.Tensor =>
        this.#kept.get(`${name}.${suffix}`) ?? tf.zerosLike<tf.Tensor>(weight);
      alike.weights.push({ name, weight, gradient, role: this.#roles?.get(name), weightDecay, kept });
    }
    return [...found.values()];
  }

  #update(weights: readonly WeightUpdate[], settings: UpdateSettings): void {
    const updated = this.update(weights, settings);
    for (const [index, { name, weight }] of weights.entries()) {
      const next = updated[index];
      if (next === undefined) throw new Error(`the update left out ${name}`);
      weight.assign(next.weight);
      for (const [suffix, tensor] of Object.entries(next.kept)) this.#keep(`${name}.${suffix}`, tf.keep(tensor));
      this.#steps.set(name, settings.step);
    }
  }

  #keep(name: string, tensor: tf.Tensor): void {
    this.#kept.get(name)?.dispose();
    this.#kept.set(name, tensor);
  }
}
