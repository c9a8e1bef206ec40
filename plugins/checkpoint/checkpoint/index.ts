import path from 'node:path';
import { z } from 'zod';
import {
  CheckpointStore,
  ConfigPlaces,
  EspalierError,
  EventBus,
  inject,
  Logger,
  messageOf,
  MetricNames,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  RunFolder,
  RunState,
  type Bindings,
  type CheckpointDue,
  type CheckpointFailed,
  type CheckpointKind,
  type CheckpointSaved,
  type EvaluationEnd,
  type IterationEnd,
  type LoadedCheckpoint,
  type Metrics,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import { CheckpointFolders, CheckpointMedium } from '../writing/medium.js';
import { copySnapshot } from '../writing/write.js';
import { checkpointOf, newestUpTo } from './target.js';
import { decidingSchema, Kept, nameOf, stateSchema, type State } from './kept.js';

const options = z
  .strictObject({
    keep: z
      .strictObject({
        last: z.int().min(1).default(3).describe('newest checkpoints to keep, not counting emergency ones'),
        best: z.int().min(0).default(1).describe('best checkpoints to keep too, by `best.metric`'),
        every: z
          .int()
          .min(0)
          .default(0)
          .describe('also keep checkpoints at multiples of this many iterations; 0: none'),
      })
      .prefault({})
      .describe('which checkpoints to keep'),
    best: decidingSchema.prefault({}).describe('how to choose the best checkpoints'),
    interval: z
      .int()
      .min(0)
      .default(0)
      .describe('iterations between checkpoints; 0: one at each evaluation')
      .meta({ aka: ['every_n_train_steps', 'save_interval', 'save_steps'] }),
    background: z.boolean().default(true).describe('write while training continues; false: training waits'),
    on_error: z
      .enum(['continue', 'stop'])
      .default('continue')
      .describe('if a checkpoint cannot be written (disk full): continue and try again at the next one, or stop'),
  })
  .meta({ resume: 'free' });

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
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(RunFolder) private readonly folder: RunFolder,
    /** Folders on disk, if nobody binds another. */
    @inject(CheckpointMedium, { isOptional: true }) medium: CheckpointMedium | undefined,
    @inject(RunState) private readonly run: RunState,
    @inject(Logger) private readonly log: Logger,
    @inject(MetricNames) private readonly metrics: MetricNames,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
  ) {
    this.#kept = new Kept(config.keep.best, config.best);
    this.#medium = medium ?? new CheckpointFolders(folder);
  }

  readonly #kept: Kept;
  readonly #medium: CheckpointMedium;
  /** The interval, or an evaluation, asked for the checkpoint that is due. */
  #onSchedule = false;
  /** What decides, if it makes the checkpoint of this boundary one of the best, until that is taken. */
  #value: number | undefined;
  /** When the checkpoint that is due was asked for, by `performance.now()`. */
  #prepared = 0;
  /** The write that is under way; one at a time. */
  #writing: Promise<void> = Promise.resolve();
  /** What ended since the last boundary, to be told of there. */
  readonly #ended: { saved: CheckpointSaved[]; failed: CheckpointFailed[] } = { saved: [], failed: [] };
  #lastFailure: string | undefined;
  /** What is noted as the best, where this process noted it. */
  #notedBest: string | undefined;

  @On('run:setup')
  check(): void {
    // Without evaluations nothing is the best, unless that was asked for.
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

  @On('iteration:start')
  tell(): void | Promise<void> {
    if (this.#ended.saved.length + this.#ended.failed.length > 0) return this.#tell();
  }

  async #tell(): Promise<void> {
    for (const saved of this.#ended.saved.splice(0)) await this.bus.dispatch('checkpoint:saved', saved);
    for (const failed of this.#ended.failed.splice(0)) await this.bus.dispatch('checkpoint:failed', failed);
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
    // A second evaluation at a boundary is of other weights than the first: of a model that has grown since.
    this.#considerBest();
  }

  #considerBest(): void {
    const value = this.#measured;
    this.#value = value !== undefined && this.#kept.isBest(value) ? value : undefined;
    if (this.#value !== undefined) this.#request('best');
  }

  /** Of the weights as they are. */
  get #measured(): number | undefined {
    return this.run.measured[this.config.best.metric];
  }

  /** Once the write before is done, since that decides what is kept. */
  async prepare(kinds: readonly CheckpointKind[]): Promise<void> {
    this.#prepared = performance.now();
    await this.#writing;
    const { iteration, owesCheckpoints } = this.run;
    // Another one is taken here after the evaluation: that is the one that was asked for.
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
    const pauseMs = performance.now() - this.#prepared;
    this.#writing = this.#write({ name: nameOf(iteration, kinds), iteration, kinds, pauseMs }, copy);
    if (!this.config.background) await this.#writing;
    if (!this.config.background) await this.tell();
    if (this.config.on_error === 'stop') this.#throwFailure();
  }

  /** What is newer than the checkpoint that the run went back to is of iterations that are gone. */
  @On('run:rollback')
  async goBack({ what, path: folder }: RunRollback): Promise<void> {
    if (what === 'model') {
      this.#value = undefined;
      return;
    }
    await this.#setNewerAside(path.basename(folder));
  }

  /** What `latest` and `best` named may be aside then. */
  async #setNewerAside(name: string): Promise<void> {
    await this.#medium.setNewerAside(name, (line) => {
      this.log.warn(line);
    });
    await this.#note('latest', name);
    const { best } = this.#kept;
    await this.#note('best', await this.#whereThere(best));
  }

  async written(): Promise<void> {
    await this.#writing;
    await this.tell();
  }

  /** @throws EspalierError when the newest checkpoint could not be written */
  async finish(): Promise<void> {
    await this.written();
    this.#throwFailure();
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
    await this.#writing;
  }

  expected(parameters: number): { bytes: number; kept: number } {
    const { last, best } = this.config.keep;
    return { bytes: parameters * BYTES_PER_PARAMETER, kept: last + best };
  }

  /** Which checkpoints are the best, and which the last on schedule, stays known after a resume. */
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

  async #write(
    {
      name,
      iteration,
      kinds,
      pauseMs,
    }: { name: string; iteration: number; kinds: readonly CheckpointKind[]; pauseMs: number },
    copy: ReturnType<typeof copySnapshot>,
  ): Promise<void> {
    const from = performance.now();
    const shown = path.join(this.folder.shown, 'checkpoints', name);
    const folder = path.join(this.folder.checkpoints, name);
    try {
      await this.#medium.write(name, copy);
    } catch (thrown) {
      this.#kept.failed(iteration);
      this.#failed(iteration, messageOf(thrown));
      return;
    }
    this.#kept.written(iteration);
    const writeMs = performance.now() - from;
    this.#lastFailure = undefined;
    for (const kind of kinds) this.#ended.saved.push({ iteration, path: folder, kind, pauseMs, writeMs });
    this.log.info(
      `saved ${kinds.join(' and ')} checkpoint ${shown} (training paused for ${pauseMs.toFixed(1)} ms, written in ${writeMs.toFixed(0)} ms)`,
    );
    try {
      await this.#nameNewest(name);
      const keep = this.#kept.names();
      await this.#medium.rotate({ ...this.config.keep, now: name, keep });
    } catch (thrown) {
      this.log.warn(
        `${shown} is written, but deleting older ones or updating the files latest and best failed: ${messageOf(thrown)}`,
      );
    }
  }

  #failed(iteration: number, message: string): void {
    this.#lastFailure = message;
    this.#ended.failed.push({ iteration, message });
    const next = this.config.on_error === 'stop' ? 'stopping' : 'training continues, and tries again at the next one';
    this.log.error(`${message}; earlier checkpoints are intact; ${next}`);
  }

  async #nameNewest(name: string): Promise<void> {
    await this.#note('latest', name);
    const { best } = this.#kept;
    if (best !== this.#notedBest && (await this.#whereThere(best)) !== undefined) await this.#note('best', best);
  }

  async #whereThere(name: string | undefined): Promise<string | undefined> {
    return name !== undefined && (await this.#medium.names()).includes(name) ? name : undefined;
  }

  async #note(as: 'latest' | 'best', name: string | undefined): Promise<void> {
    await this.#medium.note(as, name);
    if (as === 'best') this.#notedBest = name;
  }

  #throwFailure(): void {
    if (this.#lastFailure === undefined) return;
    throw new EspalierError('ESP_CHECKPOINT_WRITE', `the newest checkpoint is missing: ${this.#lastFailure}`);
  }
}
