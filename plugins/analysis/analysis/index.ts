import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  EventBus,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunControl,
  RunState,
  type EvaluationEnd,
  type IterationStart,
  type RunRollback,
  type RunStart,
  type TrainingEnd,
} from '../../../core/index.js';
import { copyTensors } from '../../checkpoint/contract.js';
import { ServedTokens } from '../../batches/contract.js';
import { InspectableModel } from '../../models/contract.js';
import { metrics } from './measures.js';
import { memoryUse } from './memory.js';
import type { Answer } from './protocol.js';
import { AnalysisThread } from './thread.js';

const options = z
  .strictObject({
    interval: z
      .int()
      .min(1)
      .default(4)
      .describe('evaluations between analyses; the first one of the process is analysed'),
    max_tokens: z
      .int()
      .min(2)
      .default(2000)
      .describe('token embeddings to compare, evenly sampled if there are more; time grows with the square'),
    attention_rows: z
      .int()
      .min(0)
      .default(2)
      .describe('validation windows to measure attention on; 0: none (the forward pass is plain JavaScript)'),
    max_memory: z
      .number()
      .min(0)
      .max(1)
      .default(0.9)
      .describe('skip an analysis if more than this share of memory would be in use, with the copy of the weights'),
    max_cost: z
      .number()
      .gt(0)
      .max(1)
      .default(0.01)
      .describe('largest share of the run time that analyses may use of one core; one that would exceed it is skipped'),
    wait_seconds: z
      .number()
      .min(0)
      .default(10)
      .describe('seconds to wait for the last analysis when the run ends; none after a signal'),
  })
  .meta({ resume: 'free' });

const BYTES_PER_NUMBER = 4;

@Plugin({
  name: 'analysis',
  summary: 'Measures embeddings, ranks, drift and attention on a copy of the weights, while training continues.',
  config: options,
  critical: false,
  metrics,
})
export default class Analysis {
  readonly #thread = new AnalysisThread();
  /** Evaluations in this process so far. */
  #evaluations = 0;
  /** Iterations done at the last evaluation. A scaling schedule may evaluate a second time at the same iteration. */
  #evaluatedAt = -1;
  /** Iterations done at the last evaluation that was due but not analysed; -1 once a later snapshot was taken. */
  #missedAt = -1;
  #beganAt = 0;
  /** CPU seconds that the last analysis took. */
  #cpuSeconds = 0;
  /** Reasons for skipping that were logged already. */
  readonly #reported = new Set<string>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Logger) private readonly log: Logger,
    @inject(Model) private readonly model: Model,
    @inject(Dataset) private readonly data: Dataset,
    @inject(BatchSource) private readonly batches: BatchSource,
    @inject(RunState) private readonly run: RunState,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(InspectableModel, { isOptional: true }) private readonly inspectable: InspectableModel | undefined,
    @inject(ServedTokens, { isOptional: true }) private readonly served: ServedTokens | undefined,
  ) {}

  @On('run:start')
  start(_: RunStart): void {
    if (this.inspectable === undefined)
      this.log.warn('analysis: nothing to do, because the model does not support inspection');
  }

  @On('evaluation:end')
  evaluated({ iteration }: EvaluationEnd): void {
    if (this.inspectable === undefined || this.ranks.rank !== 0 || iteration === this.#evaluatedAt) return;
    this.#evaluatedAt = iteration;
    if (this.#evaluations++ % this.config.interval !== 0) return;
    const { running } = this.#thread;
    this.#missedAt = iteration;
    if (running !== undefined)
      this.#warnSkipped(iteration, 'busy', `the analysis of iteration ${String(running)} is still running`);
    else if (this.#isOverCost()) this.#warnSkipped(iteration, 'cost', this.#overCost());
    else this.#begin(iteration, this.inspectable);
  }

  /** Publishes finished analyses between iterations, from the loop's own thread. */
  @On('iteration:start')
  publish(_?: IterationStart): void | Promise<void> {
    const answer = this.#thread.take();
    if (answer !== undefined) return this.#publishFrom(answer);
  }

  async #publishFrom(first: Answer): Promise<void> {
    for (let answer: Answer | undefined = first; answer !== undefined; answer = this.#thread.take()) {
      const { iteration, tokens } = answer.at;
      const of = `analysis of iteration ${String(iteration)}`;
      // The bus reports the error, and turns the plugin off after repeated ones.
      if (answer.type === 'failed') throw new Error(`${of}: ${answer.message}`);
      const { values } = answer;
      this.#cpuSeconds = values['analysis/cpu_seconds'] ?? 0;
      this.log.info(`${of}: ${summary(values)}`);
      await this.bus.dispatch('metrics', { iteration, values, tokens });
    }
  }

  /** Drops analyses of iterations that the rollback undid. */
  @On('run:rollback')
  async goBack({ what, to }: RunRollback): Promise<void> {
    if (what !== 'run') return;
    if (this.#evaluatedAt > to) [this.#evaluatedAt, this.#missedAt] = [-1, -1];
    await this.#thread.dropAfter(to);
  }

  @On('training:end')
  async finish({ iteration }: TrainingEnd): Promise<void> {
    // After a signal the process should end soon: do not wait.
    const until = performance.now() + (this.control.exitCode === 0 ? 1000 * this.config.wait_seconds : 0);
    await this.#wait(until);
    // The weights have not changed since the evaluation that was skipped: analyse them now.
    if (this.#missedAt !== iteration || this.#thread.running !== undefined || this.inspectable === undefined) return;
    if (performance.now() < until) {
      this.#begin(iteration, this.inspectable);
      await this.#wait(until);
    } else this.#warnDropped(iteration);
  }

  async dispose(): Promise<void> {
    await this.#thread.close();
  }

  /**
   * Returns the tokens to compare: those served often, if that is counted, else all. The sample is even, and always the
   * same.
   */
  #ids(): Int32Array {
    const size = Math.min(this.model.vocabSize, this.data.vocabSize);
    const often = this.served?.nonOutlierTokens().filter((id) => id < size) ?? [];
    const ids = often.length > 1 ? often.sort((a, b) => a - b) : Array.from({ length: size }, (_, id) => id);
    const count = Math.min(ids.length, this.config.max_tokens);
    return Int32Array.from({ length: count }, (_, i) => ids[Math.floor((i * ids.length) / count)] ?? 0);
  }

  #windows(): Int32Array[] {
    const [batchSize, blockSize] = [this.config.attention_rows, this.model.blockSize];
    if (batchSize === 0) return [];
    const { inputs } = this.batches.evaluation('val', 0, { batchSize, blockSize });
    return Array.from({ length: batchSize }, (_, row) => inputs.slice(row * blockSize, (row + 1) * blockSize));
  }

  async #wait(until: number): Promise<void> {
    const done = await this.#thread.settled(until - performance.now());
    const { running } = this.#thread;
    if (!done && running !== undefined) this.#warnDropped(running);
    await this.publish();
  }

  /** Copies the weights and hands the copy to the worker thread. */
  #begin(iteration: number, inspectable: InspectableModel): void {
    const weights = this.model.parameters();
    const numbers = [...weights.values()].reduce((sum, { size }) => sum + size, 0);
    const use = memoryUse(numbers * BYTES_PER_NUMBER);
    if (use > this.config.max_memory) {
      const [used, most] = [use, this.config.max_memory].map((share) => (100 * share).toFixed(0));
      this.#warnSkipped(
        iteration,
        'memory',
        `memory use would reach ${used ?? ''} %, over ${most ?? ''} % (max_memory)`,
      );
      return;
    }
    this.#missedAt = -1;
    this.#beganAt = performance.now();
    const view = inspectable.shareView();
    const at = { iteration, tokens: this.run.tokens };
    const [ids, windows] = [this.#ids(), this.#windows()];
    this.#thread.start({ at, view, weights: copyTensors(weights), ids, windows });
  }

  #isOverCost(): boolean {
    return this.#cpuSeconds > (this.config.max_cost * (performance.now() - this.#beganAt)) / 1000;
  }

  #overCost(): string {
    const most = `${String(100 * this.config.max_cost)} % of the run’s time`;
    return `analyses would take more than ${most} (max_cost); the last one took ${this.#cpuSeconds.toFixed(1)} CPU seconds`;
  }

  #warnDropped(iteration: number): void {
    this.log.warn(`analysis of iteration ${String(iteration)} was dropped: the run ended before it finished`);
  }

  #warnSkipped(iteration: number, reason: string, why: string): void {
    if (this.#reported.has(reason)) return;
    this.#reported.add(reason);
    this.log.warn(`analysis of iteration ${String(iteration)} was skipped: ${why} (reported once)`);
  }
}

function summary(values: Readonly<Record<string, number>>): string {
  const shown = {
    'cosine similarity': 'analysis/embedding/cosine_mean',
    'embedding drift': 'analysis/drift/embedding',
    'rank of the MLP': 'analysis/rank/ffn_up',
    'attention entropy': 'analysis/attention/entropy',
    seconds: 'analysis/seconds',
  };
  return Object.entries(shown)
    .flatMap(([name, metric]) => (values[metric] === undefined ? [] : [`${name} ${values[metric].toFixed(3)}`]))
    .join(', ');
}
