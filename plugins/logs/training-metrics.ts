import { z } from 'zod';
import {
  EventBus,
  inject,
  On,
  Plugin,
  PluginConfig,
  type IterationEnd,
  type IterationStart,
  type RunRollback,
  type RunStart,
} from '../../core/index.js';
import { type LossTerm, LossTerms } from '../losses/contract.js';
import { pluginOf } from '../../core/runs.js';

const options = z
  .strictObject({
    interval: z
      .int()
      .min(1)
      .default(10)
      .describe('iterations between training metrics')
      .meta({ aka: ['log_every_n_steps', 'log_interval', 'logging_steps'] }),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'training-metrics',
  summary: 'Publishes the training loss and its terms, the learning rate, the gradient norm, and the training speed.',
  config: options,
  critical: false,
  metrics: {
    'train/loss': { unit: 'nats', what: 'mean training loss over the counted targets of one iteration' },
    lr: { unit: '', what: 'learning rate of the iteration' },
    grad_norm: { unit: '', what: 'global norm of the gradients before clipping' },
    'throughput/tokens_per_second': {
      unit: 'tokens/s',
      what: 'training tokens per second of iteration time since the last value, without the time between iterations',
      clock: true,
    },
    'time/iteration_ms': { unit: 'ms', what: 'mean time of an iteration since the last value', clock: true },
    'time/elapsed_seconds': { unit: 's', what: 'time since training started in this process', clock: true },
  },
})
export default class TrainingMetrics {
  #startedAt = 0;
  #iterationAt = 0;
  #lastTokens = 0;
  #since = { iterations: 0, tokens: 0, ms: 0 };

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(LossTerms, { isOptional: true }) private readonly terms: readonly LossTerm[] = [],
  ) {}

  @On('run:start')
  start({ state }: RunStart): void {
    this.#startedAt = performance.now();
    this.#lastTokens = state.tokens;
  }

  @On('run:rollback')
  goBack({ state }: RunRollback): void {
    this.#lastTokens = state.tokens;
    this.#since = { iterations: 0, tokens: 0, ms: 0 };
  }

  @On('iteration:start')
  begin(_: IterationStart): void {
    this.#iterationAt = performance.now();
  }

  @On('iteration:end')
  publish({ iteration, loss, terms, targets, gradNorm, learningRate, tokens }: IterationEnd): void | Promise<void> {
    const now = performance.now();
    this.#since.iterations++;
    this.#since.ms += now - this.#iterationAt;
    this.#since.tokens += tokens - this.#lastTokens;
    this.#lastTokens = tokens;
    const done = iteration + 1;
    if (done % this.config.interval !== 0) return;
    const since = this.#since;
    this.#since = { iterations: 0, tokens: 0, ms: 0 };
    const values = {
      ...(targets === 0 ? {} : { 'train/loss': loss }),
      lr: learningRate,
      ...(targets === 0 ? {} : { grad_norm: gradNorm }),
      'throughput/tokens_per_second': (1000 * since.tokens) / since.ms,
      'time/iteration_ms': since.ms / since.iterations,
      'time/elapsed_seconds': (now - this.#startedAt) / 1000,
    };
    const published = this.bus.dispatch('metrics', { iteration: done, values });
    return this.terms.length === 0 ? published : this.#publishTerms(published, done, terms);
  }

  /** Publishes each term's mean on behalf of the plugin that declares it. */
  async #publishTerms(before: void | Promise<void>, iteration: number, means: IterationEnd['terms']): Promise<void> {
    await before;
    for (const term of this.terms) {
      const mean = means[term.name];
      if (mean === undefined) continue;
      await this.bus.dispatch('metrics', { iteration, values: { [term.metric]: mean }, plugin: pluginOf(term) });
    }
  }
}
