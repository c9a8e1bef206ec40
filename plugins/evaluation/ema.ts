import { z } from 'zod';
import {
  accumulate,
  BatchSource,
  Engine,
  EventBus,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunConfig,
  tf,
  Tunables,
  useEngine,
  type EvaluationEnd,
  type IterationEnd,
  type RunRollback,
  type StoredTensor,
} from '../../core/index.js';
import { copyTensors } from '../checkpoint/contract.js';
import { estimateLoss } from './loss/estimate-loss.js';

const options = z
  .strictObject({
    decay: z.number().gt(0).lt(1).default(0.999).describe('share of the average kept in each iteration'),
    interval: z.int().min(1).default(1).describe('iterations between updates; the decay is raised to this power'),
    start: z.int().min(0).default(0).describe('iterations to skip at the beginning'),
  })
  .meta({ resume: 'fixed' });

const stateSchema = z.strictObject({ updates: z.int().min(0) });
type State = z.output<typeof stateSchema>;

/**
 * Keeps the exponential moving average of each weight: d · average + (1 - d) · weight, where d is `decay` but at most
 * (1 + n) / (10 + n) in update n.
 *
 * Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the bound is that of
 * TensorFlow's `ExponentialMovingAverage`.
 */
@Plugin({
  name: 'ema',
  summary: 'Keeps a moving average of the weights and measures its validation loss.',
  config: options,
  after: ['evaluation'],
  metrics: { 'ema/val_loss': { unit: 'nats', what: 'mean validation loss with the averaged weights, dropout off' } },
})
export default class Ema {
  readonly #averages = new Map<string, tf.Tensor>();
  #updates = 0;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(Engine) private readonly engine: Engine,
    @inject(Model) private readonly model: Model,
    @inject(BatchSource) private readonly batches: BatchSource,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Logger) private readonly log: Logger,
    @inject(Tunables) private readonly tunables: Tunables,
  ) {}

  @On('iteration:end')
  update({ iteration }: IterationEnd): void {
    const { decay, interval, start } = this.config;
    const done = iteration + 1;
    if (done <= start || (done - start) % interval !== 0) return;
    useEngine(this.engine);
    if (this.#averages.size > 0 && !this.#fits) {
      this.log.info(`ema: the model has changed its shape: the averages restart at iteration ${String(done)}`);
      this.#forget();
    }
    const kept = Math.min(decay ** interval, (1 + this.#updates) / (10 + this.#updates));
    this.#updates++;
    for (const [name, weight] of this.model.parameters()) {
      const average = this.#averages.get(name);
      this.#averages.set(
        name,
        tf.tidy(() => tf.keep(towards(average, weight, 1 - kept))),
      );
      average?.dispose();
    }
  }

  @On('evaluation:end')
  async evaluate({ iteration }: EvaluationEnd): Promise<void> {
    if (this.#averages.size === 0 || !this.#fits) return;
    const { engine, ranks } = this;
    const shape = { batchSize: this.run.train.batch_size, blockSize: this.model.blockSize };
    const iters = this.tunables.values().get('eval_iters') ?? 1;
    // Not cut short even if the run is stopping, because a resumed run does not repeat it.
    const loss = await this.#withAverages(() =>
      estimateLoss(this.model, this.batches, 'val', iters, shape, { engine, ranks }),
    );
    await this.bus.dispatch('metrics', { iteration, values: { 'ema/val_loss': loss } });
  }

  /** Restored weights no longer match the averages. */
  @On('run:rollback')
  goBack({ what }: RunRollback): void {
    if (what === 'model') this.#forget();
  }

  state(): State {
    return { updates: this.#updates };
  }

  stateTensors(): ReadonlyMap<string, StoredTensor> {
    return copyTensors(this.#averages);
  }

  restore(state: unknown): void {
    this.#forget();
    this.#updates = stateSchema.parse(state).updates;
  }

  restoreTensors(tensors: ReadonlyMap<string, StoredTensor>): void {
    useEngine(this.engine);
    for (const [name, { shape, values }] of tensors) {
      this.#averages.set(name, tf.keep(tf.tensor(values, [...shape], 'float32')));
    }
  }

  dispose(): void {
    this.#forget();
  }

  /** Whether there is an average of every weight in its current shape. */
  get #fits(): boolean {
    const weights = [...this.model.parameters()];
    const isSame = ([name, { shape }]: readonly [string, tf.Tensor]): boolean =>
      String(this.#averages.get(name)?.shape) === String(shape);
    return weights.length === this.#averages.size && weights.every(isSame);
  }

  async #withAverages<T>(work: () => Promise<T>): Promise<T> {
    useEngine(this.engine);
    const own = [...this.model.parameters()].map(([name, weight]) => ({ name, weight, values: weight.clone() }));
    try {
      for (const { name, weight } of own) weight.assign(this.#averages.get(name) ?? weight);
      return await work();
    } finally {
      useEngine(this.engine);
      for (const { weight, values } of own) {
        weight.assign(values);
        values.dispose();
      }
    }
  }

  #forget(): void {
    for (const average of this.#averages.values()) average.dispose();
    this.#averages.clear();
    this.#updates = 0;
  }
}

/** Moves the average by `share` towards the weight; copies the weight if there is no average yet. */
function towards(average: tf.Tensor | undefined, weight: tf.Tensor, share: number): tf.Tensor {
  if (average === undefined) return tf.mul(weight, 1);
  return accumulate(average, tf.sub(weight, average), share);
}
