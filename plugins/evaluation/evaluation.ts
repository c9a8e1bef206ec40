import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  Engine,
  EventBus,
  inject,
  Logger,
  MetricNames,
  Model,
  On,
  Plugin,
  PluginConfig,
  RandomStreams,
  Ranks,
  RunConfig,
  RunControl,
  Tunables,
  type EvaluationDue,
  type EvaluationEnd,
  type IterationEnd,
  type RunEnd,
  type RunStart,
  type Split,
  type Tunable,
} from '../../core/index.js';
import { RunEvaluators, type Measured } from './evaluators/run-evaluators.js';
import { estimateLoss, estimateSetLoss, fullLoss, type LossOptions } from './loss/estimate-loss.js';
import { lossName, setIn, setsOf } from './loss/validation-sets.js';

const options = z
  .strictObject({
    interval: z
      .int()
      .min(0)
      .default(250)
      .describe('iterations between evaluations; 0: only at the end')
      .meta({ aka: ['eval_interval', 'eval_steps', 'val_check_interval'] }),
    iters: z
      .int()
      .min(1)
      .default(200)
      .describe('batches per split for a loss estimate')
      .meta({ aka: ['eval_iters', 'limit_val_batches'] }),
    at_start: z.boolean().default(false).describe('also evaluate before the first iteration'),
    full: z.boolean().default(false).describe('measure the validation loss on the whole validation split'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'evaluation',
  summary: 'Estimates training and validation loss, without dropout, and runs evaluators.',
  config: options,
  metrics: {
    'eval/train_loss': { unit: 'nats', what: 'mean training loss over `iters` batches, dropout off' },
    'val/loss': { unit: 'nats', what: 'mean validation loss, dropout off' },
    'val/loss/*': { unit: 'nats', what: 'mean loss on a named set of `data.validation`, dropout off' },
  },
})
export default class Evaluation {
  readonly #interval: Tunable;
  readonly #iters: Tunable;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Engine) private readonly engine: Engine,
    @inject(Model) private readonly model: Model,
    @inject(BatchSource) private readonly batches: BatchSource,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(RunEvaluators) private readonly evaluators: RunEvaluators,
    @inject(Logger) private readonly log: Logger,
    @inject(RandomStreams) private readonly streams: RandomStreams,
    @inject(MetricNames) metrics: MetricNames,
    @inject(Tunables) tunables: Tunables,
  ) {
    metrics.spellOut('val/loss/*', setsOf(data).map(lossName));
    this.#interval = tunables.define('eval_interval', config.interval, { least: 0, whole: true });
    this.#iters = tunables.define('eval_iters', config.iters, { least: 1, whole: true });
  }

  @On('run:setup')
  check(): void {
    this.evaluators.refuseDuplicates();
  }

  @On('run:start')
  atStart({ resumedFrom }: RunStart): void {
    for (const line of this.evaluators.intervalWarnings(this.#interval.value)) this.log.warn(line);
    if (this.config.at_start && resumedFrom === undefined) this.control.requestEvaluation();
  }

  @On('iteration:end')
  atInterval({ iteration, maxIters }: IterationEnd): void {
    const done = iteration + 1;
    const interval = this.#interval.value;
    if (done === maxIters || (interval > 0 && done % interval === 0)) this.control.requestEvaluation();
  }

  @On('run:end')
  reportOwed({ state }: RunEnd): void {
    const { iteration, owesEvaluation } = state;
    if (owesEvaluation)
      this.log.info(`the evaluation at iteration ${String(iteration)} will run when the run is resumed`);
  }

  @On('evaluation:due')
  async evaluate({ iteration }: EvaluationDue): Promise<void> {
    await this.bus.dispatch('evaluation:start', { iteration });
    const found = await this.#measure(iteration);
    if (found === undefined) {
      this.control.requestEvaluation();
      return;
    }
    const { losses, sets, measured } = found;
    const values = { 'eval/train_loss': losses.train, 'val/loss': losses.val, ...sets };
    await this.bus.dispatch('metrics', { iteration, values });
    for (const { evaluator, plugin, values } of measured) {
      const shown = Object.entries(values).map(([name, value]) => `${name} ${value.toFixed(4)}`);
      this.log.info(`iteration ${String(iteration)}: ${evaluator}: ${shown.join(', ')}`);
      await this.bus.dispatch('metrics', { iteration, values, plugin });
    }
    await this.bus.dispatch('evaluation:end', { iteration, losses });
  }

  /** Measures losses and evaluators; undefined if a rank was stopped in the meantime. */
  async #measure(iteration: number): Promise<Evaluated | undefined> {
    const seen = { stop: false };
    const stop = (): boolean => (seen.stop ||= this.control.stopReasons.length > 0);
    const isCut = async (): Promise<boolean> => {
      const [cut = NaN] = await this.ranks.average([seen.stop ? 1 : 0]);
      return cut > 0;
    };
    const { losses, sets } = await this.#losses(iteration, stop);
    const checks: (() => Measured)[] = [];
    for (const evaluator of this.evaluators.due(iteration, this.run.train.max_iters)) {
      // Handle signals first, then agree: either all ranks start this evaluator or none.
      await nextTurn();
      stop();
      if (await isCut()) return undefined;
      const onBatch = (done: number, of: number): void | Promise<void> =>
        this.bus.dispatch('evaluation:batch', { iteration, what: evaluator.name, done, of });
      checks.push(await this.evaluators.measure(evaluator, { stop, onBatch }));
    }
    if (await isCut()) return undefined;
    return { losses, sets, measured: checks.map((check) => check()) };
  }

  async #losses(iteration: number, stop: () => boolean): Promise<Omit<Evaluated, 'measured'>> {
    const { model, data, batches, engine, ranks, streams } = this;
    const { full } = this.config;
    const shape = { batchSize: this.run.train.batch_size, blockSize: model.blockSize };
    const iters = this.#iters.value;
    const options = (split: Split, what: string): LossOptions => ({
      ...{ engine, ranks, stop },
      onBatch: (done, of) => this.bus.dispatch('evaluation:batch', { iteration, split, what, done, of }),
    });
    const lossOf = (split: Split, whole: boolean): Promise<number> => {
      const how = options(split, `${split} loss`);
      return whole
        ? fullLoss(model, data.split(split), shape, how)
        : estimateLoss(model, batches, split, iters, shape, how);
    };
    const losses = { train: await lossOf('train', false), val: await lossOf('val', full) };
    const sets: Record<string, number> = {};
    for (const name of setsOf(data)) {
      const reader = setIn(data, name);
      const how = options('val', `val loss of ${name}`);
      sets[lossName(name)] = full
        ? await fullLoss(model, reader, shape, how)
        : await estimateSetLoss(model, { name, reader, streams }, iters, shape, how);
    }
    return { losses, sets };
  }
}

interface Evaluated {
  readonly losses: EvaluationEnd['losses'];
  /** Losses of the named validation sets, by metric. */
  readonly sets: Readonly<Record<string, number>>;
  readonly measured: readonly Measured[];
}
