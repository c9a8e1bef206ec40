import { z } from 'zod';
import {
  CheckpointStore,
  ConfigPlaces,
  inject,
  Logger,
  MetricNames,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  UsageError,
  type EvaluationEnd,
  type Metrics,
  type RunEnd,
  type RunStart,
} from '../../../core/index.js';
import { progressSchema, seen, start, type Progress } from './patience.js';

const options = z
  .strictObject({
    monitor: z.string().min(1).default('val/loss').describe('metric to watch'),
    mode: z.enum(['min', 'max']).default('min').describe('min: lower is better; max: higher is better'),
    patience: z
      .int()
      .min(1)
      .default(5)
      .describe('stop after this many values without improvement (for `val/loss`: evaluations)'),
    min_delta: z.number().min(0).default(0).describe('smallest change that counts as an improvement'),
    restore_best: z
      .boolean()
      .default(true)
      .describe('at the end, restore the weights and optimizer state of the best value'),
  })
  .meta({ resume: 'free' });

const stateSchema = progressSchema.extend({
  /** Missing in checkpoints of earlier versions. */
  of: z.strictObject({ monitor: z.string(), mode: z.enum(['min', 'max']) }).optional(),
});
type State = z.output<typeof stateSchema>;

const NAME = 'early-stopping';

@Plugin({
  name: NAME,
  summary: 'Ends the run when a metric has stopped improving, with the weights of its best value.',
  config: options,
  after: ['evaluation'],
  stateVersion: 2,
})
export default class EarlyStopping {
  #progress: Progress = start;
  #maxIters = Infinity;
  /** Whether restoring was already requested. */
  #restoring = false;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunControl) private readonly control: RunControl,
    @inject(MetricNames) private readonly names: MetricNames,
    @inject(Logger) private readonly log: Logger,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
    @inject(CheckpointStore, { isOptional: true }) private readonly store: CheckpointStore | undefined,
  ) {}

  @On('run:setup')
  check(): void {
    const { monitor, restore_best: restores } = this.config;
    this.names.decide(monitor, this.places.key(['plugins', NAME, 'monitor']));
    if (restores && this.store === undefined) {
      throw new UsageError(
        'ESP_EARLY_STOPPING',
        `plugins.${NAME}.restore_best needs checkpoints: turn the plugin checkpoint on, or set it to false`,
      );
    }
  }

  @On('run:start')
  begin({ maxIters }: RunStart): void {
    this.#maxIters = maxIters;
  }

  @On('metrics')
  look({ iteration, values }: Metrics): void {
    const { monitor, mode, min_delta: minDelta, patience, restore_best: restores } = this.config;
    const value = values[monitor];
    if (value === undefined) return;
    const before = this.#progress.best;
    this.#progress = seen(this.#progress, value, iteration, { mode, minDelta });
    const { best, waited } = this.#progress;
    if (restores && best !== before) {
      this.store?.pin(NAME, best?.iteration);
      this.control.requestCheckpoint('best');
    }
    if (waited < patience) return;
    const reason = `early stopping: ${monitor} did not improve ${String(waited)} times in a row${this.#bestSoFar}`;
    this.log.info(reason);
    this.control.requestStop(reason);
    this.control.requestCheckpoint('latest');
    this.#restoreBest(iteration);
  }

  /** Restores the best weights also if the run reaches its last iteration. */
  @On('evaluation:end')
  atEnd({ iteration }: EvaluationEnd): void {
    if (iteration >= this.#maxIters) this.#restoreBest(iteration);
  }

  @On('run:end')
  end({ status }: RunEnd): void {
    if (status !== 'done' || this.#progress.best !== null) return;
    this.log.warn(`early stopping: ${this.config.monitor} was never published as a finite number`);
  }

  state(): State | undefined {
    const { monitor, mode } = this.config;
    return this.#progress === start ? undefined : { ...this.#progress, of: { monitor, mode } };
  }

  /** Starts over if the checkpoint monitored another metric. */
  restore(state: unknown): void {
    const { monitor, mode } = this.config;
    const { of = { monitor, mode }, ...progress } = stateSchema.parse(state ?? start);
    const isSame = state !== undefined && of.monitor === monitor && of.mode === mode;
    this.#progress = isSame ? progress : start;
    this.#restoring = false;
    if (this.config.restore_best) this.store?.pin(NAME, this.#progress.best?.iteration);
  }

  get #bestSoFar(): string {
    const { best } = this.#progress;
    return best === null ? '' : ` (best ${best.value.toPrecision(5)} at iteration ${String(best.iteration)})`;
  }

  /** Requests a rollback to the best weights. A resumed run continues from there, so patience starts over. */
  #restoreBest(now: number): void {
    const { best } = this.#progress;
    if (!this.config.restore_best || best === null || best.iteration === now || this.#restoring) return;
    this.#restoring = true;
    const reason = `early stopping: restoring the best weights${this.#bestSoFar}`;
    this.#progress = { ...this.#progress, waited: 0 };
    this.control.requestRollback({ to: best.iteration, what: 'model', reason });
  }
}
