import path from 'node:path';
import {
  CheckpointStore,
  ConfigPlaces,
  EventBus,
  inject,
  Logger,
  MetricNames,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  RunFolder,
  RunState,
  type Bindings,
  type CheckpointDue,
  type CheckpointKind,
  type EvaluationEnd,
  type IterationEnd,
  type LoadedCheckpoint,
  type Metrics,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import { CheckpointFolders, CheckpointMedium } from '../writing/medium.js';
import { copySnapshot } from '../writing/write.js';
import { BackgroundWriter } from './background-writer.js';
import { Kept, nameOf, stateSchema, type State } from './kept.js';
import { options, type CheckpointOptions } from './options.js';
import { Pointers } from './pointers.js';
import { checkpointOf, newestUpTo } from './target.js';

/** Float32 weights, and two moments of the optimizer for each. */
const BYTES_PER_PARAMETER = 12;

@Plugin({
  name: 'checkpoint',
  summary: 'Saves the newest and the best checkpoints, each whole or not at all, while training continues.',
  config: options,
  after: ['evaluation'],
  ranks: 'first',
  stateVersion: 2,
})
export default class Checkpoint implements CheckpointStore {
  static register(bindings: Bindings): void {
    bindings.bind(CheckpointStore, Checkpoint);
  }

  constructor(
    @inject(PluginConfig) private readonly config: CheckpointOptions,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(RunFolder) private readonly folder: RunFolder,
    /** Defaults to folders on disk. */
    @inject(CheckpointMedium, { isOptional: true }) medium: CheckpointMedium | undefined,
    @inject(RunState) private readonly run: RunState,
    @inject(Logger) private readonly log: Logger,
    @inject(MetricNames) private readonly metrics: MetricNames,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
  ) {
    this.#kept = new Kept(config.keep.best, config.best);
    this.#medium = medium ?? new CheckpointFolders(folder);
    this.#pointers = new Pointers(this.#medium);
    this.#writer = new BackgroundWriter({
      medium: this.#medium,
      kept: this.#kept,
      pointers: this.#pointers,
      folder,
      log,
      config,
    });
  }

  readonly #kept: Kept;
  readonly #medium: CheckpointMedium;
  readonly #pointers: Pointers;
  readonly #writer: BackgroundWriter;
  /** Whether the interval or an evaluation asked for the checkpoint that is due. */
  #onSchedule = false;
  /** Value of the deciding metric, if it makes the checkpoint that is due one of the best. */
  #value: number | undefined;
  /** When training paused for the checkpoint that is due, by `performance.now()`. */
  #pausedAt = 0;

  @On('run:setup')
  check(): void {
    // Without evaluations there is no val/loss, and no best checkpoint; that is fine unless the metric was set.
    const { metric } = this.config.best;
    const where = ['plugins', 'checkpoint', 'best', 'metric'];
    if (metric !== 'val/loss' || this.metrics.describe(metric) !== undefined) {
      this.metrics.decide(metric, this.places.key(where));
    }
  }

  @On('run:start')
  async start({ resumedFrom }: RunStart): Promise<void> {
    await this.#medium.prepare();
    if (resumedFrom === undefined || path.dirname(resumedFrom) !== this.folder.checkpoints) return;
    const source = path.basename(resumedFrom);
    this.#kept.source = source;
    await this.#setNewerAside(source);
  }

  /** Dispatches the results of writes that have ended since the last iteration. */
  @On('iteration:start')
  announce(): void | Promise<void> {
    if (this.#writer.hasResults) return this.#announceResults();
  }

  async #announceResults(): Promise<void> {
    const { saved, failed } = this.#writer.takeResults();
    for (const each of saved) await this.bus.dispatch('checkpoint:saved', each);
    for (const each of failed) await this.bus.dispatch('checkpoint:failed', each);
  }

  @On('iteration:end')
  atInterval({ iteration, maxIters }: IterationEnd): void {
    const done = iteration + 1;
    const { interval } = this.config;
    if (done === maxIters || (interval > 0 && done % interval === 0)) this.#request('latest');
  }

  @On('metrics')
  atMetrics({ values }: Metrics): void {
    if (values[this.config.best.metric] !== undefined) this.#considerBest();
  }

  @On('evaluation:end')
  atEvaluation(_: EvaluationEnd): void {
    if (this.config.interval === 0) this.#request('latest');
    // A second evaluation at the same iteration measures other weights than the first: the model has grown in between.
    this.#considerBest();
  }

  #considerBest(): void {
    const value = this.#measured;
    this.#value = value !== undefined && this.#kept.isBest(value) ? value : undefined;
    if (this.#value !== undefined) this.#request('best');
  }

  /** Value of the deciding metric for the current weights. */
  get #measured(): number | undefined {
    return this.run.measured[this.config.best.metric];
  }

  /** Waits for the previous write first, because its outcome decides which checkpoints are kept. */
  async prepare(kinds: readonly CheckpointKind[]): Promise<void> {
    this.#pausedAt = performance.now();
    await this.#writer.done();
    const { iteration, owesCheckpoints } = this.run;
    // If another checkpoint follows after the evaluation, that one is the one on schedule.
    const isFirst = owesCheckpoints.length > 0;
    const onSchedule = this.#onSchedule && !isFirst;
    const value = isFirst || this.#measured === undefined ? undefined : this.#value;
    if (!isFirst) [this.#onSchedule, this.#value] = [false, undefined];
    this.#kept.begin(nameOf(iteration, kinds), { value, scheduled: onSchedule ? iteration : undefined });
  }

  @On('checkpoint:due')
  async saveAll({ kinds, snapshot, skip }: CheckpointDue): Promise<void> {
    const { iteration } = snapshot.state.run;
    if (skip !== undefined) {
      this.#kept.cancel();
      this.log.warn(`no ${kinds.join(' and ')} checkpoint at iteration ${String(iteration)}: ${skip}`);
      return;
    }
    const copy = copySnapshot(snapshot);
    const pauseMs = performance.now() - this.#pausedAt;
    this.#writer.start({ name: nameOf(iteration, kinds), iteration, kinds, pauseMs }, copy);
    if (!this.config.background) await this.written();
    if (this.config.on_error === 'stop') this.#writer.throwFailure();
  }

  /** Sets aside the checkpoints of iterations that the rollback undid. */
  @On('run:rollback')
  async goBack({ what, path: folder }: RunRollback): Promise<void> {
    if (what === 'model') {
      this.#value = undefined;
      return;
    }
    await this.#setNewerAside(path.basename(folder));
  }

  async #setNewerAside(name: string): Promise<void> {
    await this.#medium.setNewerAside(name, (line) => {
      this.log.warn(line);
    });
    await this.#pointers.reset(name, this.#kept.best);
  }

  async written(): Promise<void> {
    await this.#writer.done();
    await this.announce();
  }

  /** @throws EspalierError when the newest checkpoint could not be written */
  async finish(): Promise<void> {
    await this.written();
    this.#writer.throwFailure();
  }

  async target(to: 'latest' | number): Promise<LoadedCheckpoint | undefined> {
    const { scheduled } = this.#kept;
    const at = { medium: this.#medium, log: this.log };
    if (to === 'latest') return scheduled === undefined ? undefined : newestUpTo(scheduled, at);
    const found = await checkpointOf(to, at);
    const standIn = found === undefined ? this.#kept.pins.standInFor(to) : undefined;
    if (standIn === undefined) return found;
    this.log.warn(
      `the checkpoint of iteration ${String(to)} could not be written; using that of iteration ${String(standIn)} instead`,
    );
    return checkpointOf(standIn, at);
  }

  pin(owner: string, iteration: number | undefined): void {
    this.#kept.pins.pin(owner, iteration);
  }

  async dispose(): Promise<void> {
    await this.#writer.done();
  }

  expected(parameters: number): { bytes: number; kept: number } {
    const { last, best } = this.config.keep;
    return { bytes: parameters * BYTES_PER_PARAMETER, kept: last + best };
  }

  /** Returns which checkpoints are the best, which is the last on schedule, and what is due. */
  state(): State {
    const due = this.#onSchedule ? { due: { value: this.#value ?? null } } : {};
    return { ...this.#kept.state(), ...due };
  }

  restore(state: unknown): void {
    const kept = stateSchema.parse(state);
    const isKnown = this.#kept.restore(kept);
    this.#onSchedule = kept.due !== undefined;
    this.#value = isKnown ? (kept.due?.value ?? undefined) : undefined;
    if (isKnown) return;
    const { metric, mode } = this.config.best;
    this.log.warn(
      `the best checkpoints are now chosen by ${metric} (${mode}), and were chosen by ${kept.by.metric} (${kept.by.mode}) before: the earlier ones no longer count`,
    );
  }

  #request(kind: CheckpointKind): void {
    this.#onSchedule = true;
    this.control.requestCheckpoint(kind);
  }
}
