import type { z } from 'zod';
import {
  ConfigPlaces,
  EventBus,
  inject,
  Logger,
  messageOf,
  MetricNames,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunControl,
  RunFolder,
  Tunables,
  type Bindings,
  type EvaluationEnd,
  type Metrics,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import type { OperationEvent } from '../events.js';
import { type Operation, Operations, OperationsByName, ScheduleCheck } from '../shared/operation.js';
import { ModelGrowth } from '../shared/model-growth.js';
import { readSchedule, writeCompleted, type Entry } from './file.js';
import { ownOperations } from './operations/index.js';
import { options } from './options.js';
import { operationNamed, planSchedule } from './plan.js';
import { mismatch, stateSchema, type ScheduleState } from './state.js';

const KEY = ['plugins', 'scaling-schedule', 'file'];
/** Name of the schedule in logs and checkpoints if it is in the config instead of a file. */
const IN_CONFIG = 'the config';

class OperationMap extends Map<string, Operation> {}

@Plugin({
  name: 'scaling-schedule',
  summary: 'Changes the run while it trains: a list of operations, each triggered by the loss or by waiting.',
  config: options,
  before: ['evaluation'],
})
export default class ScalingSchedule implements ScheduleCheck {
  static register(bindings: Bindings): void {
    bindings.bind(ScheduleCheck, ScalingSchedule);
    bindings.bind(OperationsByName, OperationMap);
  }

  /** Path of the schedule's file; undefined if the schedule is in the config. */
  readonly #file: string | undefined;
  #entries: Entry[] = [];
  #iterOfLastOp = 0;
  /** Newest values of the metrics that triggers name. */
  #metrics = new Map<string, number>();
  #restored: ScheduleState | undefined;
  /** Index of the operation that asked for the next evaluation. */
  #reevaluating: number | null = null;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunFolder) folder: RunFolder,
    @inject(Logger) private readonly log: Logger,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Tunables) private readonly tunables: Tunables,
    @inject(Operations) private readonly operations: Operations,
    @inject(ModelGrowth) private readonly growth: ModelGrowth,
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
    @inject(MetricNames) private readonly metrics: MetricNames,
  ) {
    this.#file = config.file === undefined ? undefined : folder.fromConfig(config.file);
    for (const operation of ownOperations(tunables, growth)) operations.add(operation);
  }

  @On('run:setup')
  setUp(): void {
    for (const line of this.check()) this.log.info(line);
  }

  check(): string[] {
    this.#entries = this.#read();
    const { operations, tunables, growth, metrics } = this;
    const inConfig = this.places.before(['plugins', 'scaling-schedule', 'operations']);
    return planSchedule(this.#entries, {
      operations,
      tunables,
      growth,
      metrics,
      placeOf: ({ line }) => (line === undefined ? inConfig : `${this.#file ?? ''}:${String(line)}: `),
    });
  }

  operationNames(): string[] {
    return this.#read().map(({ name }) => name);
  }

  @On('run:start')
  start({ resumedFrom }: RunStart): void {
    if (resumedFrom === undefined) for (const entry of this.#entries) entry.completed = false;
    else if (this.#restored !== undefined) this.#takeFlags(this.#restored);
    this.#writeBack();
  }

  @On('run:rollback')
  goBack({ what }: RunRollback): void {
    if (what !== 'run' || this.#restored === undefined) return;
    this.#takeFlags(this.#restored);
    this.#writeBack();
  }

  @On('metrics')
  note({ values }: Metrics): void {
    for (const { trigger } of this.#entries) {
      const value = trigger === undefined ? undefined : values[trigger.metric];
      if (trigger === undefined || value === undefined) continue;
      if (Number.isFinite(value)) this.#metrics.set(trigger.metric, value);
      else this.#metrics.delete(trigger.metric);
    }
  }

  @On('evaluation:end')
  async fire({ iteration, losses }: EvaluationEnd): Promise<void> {
    const asked = this.#entries[this.#reevaluating ?? -1];
    this.#reevaluating = null;
    if (asked !== undefined) {
      await this.#reportReevaluation(asked, iteration, losses.val);
      return;
    }
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.completed) continue;
      if (!this.#isDue(entry, iteration, losses.val) || !(await this.#run(entry, iteration))) return;
      if (entry.reevaluate) {
        this.#reevaluating = index;
        this.control.requestEvaluation();
        return;
      }
    }
  }

  state(): unknown {
    const operations = this.#entries.map(({ name, completed }) => ({ name, completed }));
    return {
      file: this.#file ?? IN_CONFIG,
      iter_of_last_op: this.#iterOfLastOp,
      operations,
      reevaluating: this.#reevaluating,
      ...(this.#metrics.size === 0 ? {} : { metrics: Object.fromEntries(this.#metrics) }),
    };
  }

  restore(state: unknown): void {
    this.#restored = stateSchema.parse(state);
    this.#iterOfLastOp = this.#restored.iter_of_last_op;
    this.#metrics = new Map(Object.entries(this.#restored.metrics));
  }

  #read(): Entry[] {
    if (this.#file !== undefined) return readSchedule(this.#file, this.places.key(KEY));
    return (this.config.operations ?? []).map((entry) => ({ ...entry, line: undefined }));
  }

  #isDue(entry: Entry, iteration: number, loss: number): boolean {
    if (iteration - this.#iterOfLastOp >= entry.max_wait_iters) return true;
    const { trigger, trigger_loss: below = NaN } = entry;
    if (trigger === undefined) return loss < below;
    const value = this.#metrics.get(trigger.metric) ?? NaN;
    return trigger.below === undefined ? value > (trigger.above ?? NaN) : value < trigger.below;
  }

  /** Applies an operation. @returns whether it succeeded; if not, it is tried again at the next evaluation */
  async #run(entry: Entry, iteration: number): Promise<boolean> {
    const what = `${entry.name} ${JSON.stringify(entry.value)}`;
    this.log.info(`OPERATION_START ${what} at iteration ${String(iteration)}`);
    await this.#report(entry, iteration, 'start');
    const before = this.tunables.changed();
    try {
      await operationNamed(entry.name, this.operations).apply(entry.value, iteration);
    } catch (thrown) {
      this.tunables.restore(before);
      this.log.error(`OPERATION_ERROR ${what}: ${messageOf(thrown)}`);
      await this.#report(entry, iteration, 'error', messageOf(thrown));
      return false;
    }
    entry.completed = true;
    this.#iterOfLastOp = iteration;
    this.log.info(`OPERATION_SUCCESS ${what}`);
    this.#writeBack();
    await this.#report(entry, iteration, 'success');
    return true;
  }

  async #reportReevaluation(entry: Entry, iteration: number, loss: number): Promise<void> {
    const measured = `val loss ${loss.toFixed(4)}`;
    this.log.info(`OPERATION_REEVALUATION ${entry.name}: ${measured}`);
    await this.#report(entry, iteration, 'reevaluation', measured);
  }

  async #report(
    { name, value }: Entry,
    iteration: number,
    outcome: OperationEvent['outcome'],
    message?: string,
  ): Promise<void> {
    const schedule = this.#entries.map((entry) => ({ ...entry }));
    await this.bus.dispatch('operation', { iteration, name, value, outcome, message, schedule });
  }

  /** Takes a checkpoint's completion flags, if it was made with this schedule; else keeps those of the schedule. */
  #takeFlags(saved: ScheduleState): void {
    this.#reevaluating = null;
    const warning = mismatch(saved, this.#file ?? IN_CONFIG, this.#entries);
    if (warning !== undefined) {
      this.log.warn(warning);
      return;
    }
    for (const [at, entry] of this.#entries.entries()) entry.completed = saved.operations[at]?.completed ?? false;
    this.#reevaluating = saved.reevaluating;
  }

  #writeBack(): void {
    if (this.#file === undefined || this.ranks.rank > 0) return;
    try {
      writeCompleted(
        this.#file,
        this.#entries.map(({ completed }) => completed),
      );
    } catch (thrown) {
      this.log.warn(
        `cannot write completion flags to ${this.#file} (checkpoints still keep them): ${messageOf(thrown)}`,
      );
    }
  }
}
