import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
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
  suggestion,
  Tunables,
  UsageError,
  type Bindings,
  type EvaluationEnd,
  type Metrics,
  type RunRollback,
  type RunStart,
} from '../../../core/index.js';
import type { OperationEvent } from '../events.js';
import { type Operation, Operations, OperationsByName, type PlannedRun, ScheduleCheck } from '../shared/operation.js';
import { ModelGrowth } from '../shared/model-growth.js';
import { entrySchema, readSchedule, writeCompleted, type Entry } from './file.js';
import { ownOperations } from './operations/index.js';

const options = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe('the schedule, YAML or JSON; completion flags are written back to it')
      .meta({ aka: ['scaling_schedule_file'] }),
    operations: z
      .array(entrySchema)
      .optional()
      .describe('the schedule itself, in place of a file; checkpoints keep what is completed'),
  })
  .meta({ resume: 'free' })
  .check(({ value, issues }) => {
    if ((value.file === undefined) !== (value.operations === undefined)) return;
    issues.push({ code: 'custom', input: value, path: ['file'], message: 'give one of file and operations' });
  });
const KEY = ['plugins', 'scaling-schedule', 'file'];
/** What stands for the file's path where the schedule is in the config. */
const IN_CONFIG = 'the config';
const stateSchema = z.strictObject({
  file: z.string(),
  iter_of_last_op: z.int(),
  operations: z.array(z.strictObject({ name: z.string(), completed: z.boolean() })),
  reevaluating: z.int().nullable().default(null),
  metrics: z.record(z.string(), z.number()).default({}),
});

class OperationMap extends Map<string, Operation> {}

@Plugin({
  name: 'scaling-schedule',
  summary: 'Changes the run while it trains: a list of operations, each fired by the loss or by waiting.',
  config: options,
  before: ['evaluation'],
})
export default class ScalingSchedule implements ScheduleCheck {
  static register(bindings: Bindings): void {
    bindings.bind(ScheduleCheck, ScalingSchedule);
    bindings.bind(OperationsByName, OperationMap);
  }

  /** Path of the schedule's file; undefined where it is in the config. */
  readonly #file: string | undefined;
  #entries: Entry[] = [];
  #iterOfLastOp = 0;
  /** Newest values of the metrics that triggers name. */
  #metrics = new Map<string, number>();
  #restored: z.output<typeof stateSchema> | undefined;
  /** The operation that asked for the evaluation which comes next, from 0. */
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
    const start: PlannedRun = { tunables: this.tunables.values(), ...this.growth.initial() };
    const planned = { ...start, tunables: new Map(start.tunables) };
    const lines = this.#entries.map((entry, index) => {
      const before = { ...planned, tunables: new Map(planned.tunables) };
      const inConfig = this.places.before(['plugins', 'scaling-schedule', 'operations']);
      const place = entry.line === undefined ? inConfig : `${this.#file ?? ''}:${String(entry.line)}: `;
      const where = `${place}operation ${String(index + 1)} (${entry.name})`;
      try {
        const operation = this.#operation(entry);
        if (entry.trigger !== undefined) this.metrics.decide(entry.trigger.metric, 'trigger');
        const value = operation.value.safeParse(entry.value);
        if (!value.success) throw new UsageError('ESP_SCHEDULE_STEP', `value: ${z.prettifyError(value.error)}`);
        operation.plan(value.data, planned);
      } catch (thrown) {
        throw new UsageError('ESP_SCHEDULE_STEP', `${where}: ${messageOf(thrown)}`, { cause: thrown });
      }
      return `schedule ${String(index + 1)}: ${entry.name} ${JSON.stringify(entry.value)}${changes(before.tunables, planned.tunables)}${this.#shape(before, planned)}`;
    });
    const end = `${changes(start.tunables, planned.tunables)}${this.#shape(start, planned)}`;
    return [...lines, `schedule ends in${end === '' ? ' what it starts from' : end}`];
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
      await this.#tellLoss(asked, iteration, losses.val);
      return;
    }
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.completed) continue;
      if (!this.#due(entry, iteration, losses.val) || !(await this.#run(entry, iteration))) return;
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

  /** What the model is after a step that changed it. */
  #shape(before: PlannedRun, after: PlannedRun): string {
    if (isDeepStrictEqual(before.architecture, after.architecture)) return '';
    const { description, parameters, trainable } = this.growth.facts(after.architecture);
    const count = (value: number): string => value.toLocaleString('en-US');
    return `  model: ${description}; ${count(parameters)} parameters, ${count(trainable)} trained`;
  }

  #due(entry: Entry, iteration: number, loss: number): boolean {
    if (iteration - this.#iterOfLastOp >= entry.max_wait_iters) return true;
    const { trigger, trigger_loss: below = NaN } = entry;
    if (trigger === undefined) return loss < below;
    const value = this.#metrics.get(trigger.metric) ?? NaN;
    return trigger.below === undefined ? value > (trigger.above ?? NaN) : value < trigger.below;
  }

  async #run(entry: Entry, iteration: number): Promise<boolean> {
    const what = `${entry.name} ${JSON.stringify(entry.value)}`;
    this.log.info(`OPERATION_START ${what} at iteration ${String(iteration)}`);
    await this.#tell(entry, iteration, 'start');
    const before = this.tunables.changed();
    try {
      await this.#operation(entry).apply(entry.value, iteration);
    } catch (thrown) {
      this.tunables.restore(before);
      this.log.error(`OPERATION_ERROR ${what}: ${messageOf(thrown)}`);
      await this.#tell(entry, iteration, 'error', messageOf(thrown));
      return false;
    }
    entry.completed = true;
    this.#iterOfLastOp = iteration;
    this.log.info(`OPERATION_SUCCESS ${what}`);
    this.#writeBack();
    await this.#tell(entry, iteration, 'success');
    return true;
  }

  async #tellLoss(entry: Entry, iteration: number, loss: number): Promise<void> {
    const measured = `val loss ${loss.toFixed(4)}`;
    this.log.info(`OPERATION_REEVALUATION ${entry.name}: ${measured}`);
    await this.#tell(entry, iteration, 'reevaluation', measured);
  }

  async #tell(
    { name, value }: Entry,
    iteration: number,
    outcome: OperationEvent['outcome'],
    message?: string,
  ): Promise<void> {
    const schedule = this.#entries.map((entry) => ({ ...entry }));
    await this.bus.dispatch('operation', { iteration, name, value, outcome, message, schedule });
  }

  /** The checkpoint's flags win where it was made with this file. */
  #takeFlags({ file, operations, reevaluating }: z.output<typeof stateSchema>): void {
    this.#reevaluating = null;
    const here = this.#file ?? IN_CONFIG;
    if (file !== here) {
      this.log.warn(`the checkpoint was made with the schedule ${file}, this run has ${here}: its flags are used`);
      return;
    }
    const changed = operations.findIndex(({ name, completed }, at) => completed && name !== this.#entries[at]?.name);
    if (changed !== -1) {
      this.log.warn(
        `${file}: operation ${String(changed + 1)} is not the one that was completed: the file's flags are used`,
      );
      return;
    }
    for (const [at, entry] of this.#entries.entries()) entry.completed = operations[at]?.completed ?? false;
    this.#reevaluating = reevaluating;
  }

  #writeBack(): void {
    if (this.#file === undefined || this.ranks.rank > 0) return;
    try {
      writeCompleted(
        this.#file,
        this.#entries.map(({ completed }) => completed),
      );
    } catch (thrown) {
      this.log.warn(`completion could not be written to ${this.#file} (checkpoints keep it): ${messageOf(thrown)}`);
    }
  }

  #operation({ name }: Entry): Operation {
    const operation = this.operations.get(name);
    if (operation !== undefined) return operation;
    const known = suggestion(name, this.operations.names(), 'operations');
    throw new UsageError('ESP_SCHEDULE_STEP', `unknown operation: ${known}`);
  }
}

function changes(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  const different = [...after].filter(([name, value]) => before.get(name) !== value);
  return different.map(([name, value]) => `  ${name}: ${String(before.get(name))} -> ${String(value)}`).join(',');
}
