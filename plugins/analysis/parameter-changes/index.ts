import { z } from 'zod';
import {
  EventBus,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunState,
  type EvaluationEnd,
  type IterationStart,
  type RunEnd,
  type RunRollback,
  type RunStart,
  type StoredTensor,
} from '../../../core/index.js';
import { copyTensors } from '../../checkpoint/contract.js';
import { componentChanges, components, shareOf, tensorChanges, type Change } from './changes.js';
import { changeTable } from './table.js';

const options = z
  .strictObject({
    interval: z.int().min(1).default(1).describe('evaluations between reports'),
    top: z.int().min(1).default(10).describe('number of tensors in the table: those that changed most'),
    table: z
      .enum(['end', 'each', 'never'])
      .default('end')
      .describe('when to log the table: at the end of the run, at each report, or never'),
  })
  .meta({ resume: 'free' });

const stateSchema = z.strictObject({
  since: z.int().min(0),
  evaluations: z.int().min(0),
  /**
   * Set if the evaluation at this iteration is counted: another one at the same place was asked for by an operation.
   */
  evaluated_at: z.int().optional(),
});

@Plugin({
  name: 'parameter-changes',
  summary: 'Reports how much each part of the model changed since the last report, and which tensors most.',
  config: options,
  critical: false,
  // The change by training is measured before a scaling schedule changes the model.
  before: ['scaling-schedule'],
  metrics: Object.fromEntries(
    components.map((component) => [
      `change/${component}`,
      {
        unit: 'share',
        what: `norm of the change of ${component === 'all' ? 'all weights' : component} since the last report, relative to the norm then`,
      },
    ]),
  ),
})
export default class ParameterChanges {
  /** The weights at the last report; undefined until training continues after it. */
  #before: ReadonlyMap<string, StoredTensor> | undefined;
  /** Iterations done at the last report; undefined before the run starts. */
  #since: number | undefined;
  /** Evaluations since the last report. */
  #evaluations = 0;
  /** Ids of the model's variables at the last report: a model that changes its shape makes new ones. */
  #variables: ReadonlySet<number> | undefined;
  /** Iterations done at the last evaluation. A scaling schedule may evaluate a second time at the same iteration. */
  #evaluatedAt = -1;
  #table: readonly string[] = [];

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Model) private readonly model: Model,
    @inject(RunState) private readonly run: RunState,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Logger) private readonly log: Logger,
  ) {}

  @On('run:start')
  start({ state }: RunStart): void {
    this.#since ??= state.iteration;
    this.#variables = idsOf(this.model);
  }

  @On('run:rollback')
  wentBack({ what }: RunRollback): void {
    if (what === 'run') this.#variables = idsOf(this.model);
  }

  /**
   * Copies the weights at the start of an iteration: a checkpoint just before holds the same ones, so a resumed run
   * agrees.
   */
  @On('iteration:start')
  begin({ iteration }: IterationStart): void {
    this.#noticeGrowth();
    this.#variables ??= idsOf(this.model);
    if (this.#before !== undefined) return;
    this.#since = iteration;
    this.#before = copyTensors(this.model.parameters());
  }

  @On('evaluation:end')
  async evaluated({ iteration }: EvaluationEnd): Promise<void> {
    // Before the first iteration there is nothing to compare.
    if (this.#before === undefined || iteration === this.#evaluatedAt) return;
    this.#evaluatedAt = iteration;
    if (++this.#evaluations < this.config.interval) return;
    const tensors = tensorChanges(this.#before, this.model.parameters());
    const parts = componentChanges(tensors);
    const from = String(this.#since);
    this.#before = undefined;
    this.#since = iteration;
    this.#evaluations = 0;
    this.#report(`parameter changes from iteration ${from} to ${String(iteration)}:`, parts, tensors);
    const values = parts.map((part) => [`change/${part.name}`, shareOf(part)] as const);
    const finite = values.filter(([, share]) => Number.isFinite(share));
    await this.bus.dispatch('metrics', { iteration, values: Object.fromEntries(finite) });
  }

  @On('run:end')
  end(_: RunEnd): void {
    if (this.config.table === 'end') this.#print();
  }

  state(): z.output<typeof stateSchema> | undefined {
    this.#noticeGrowth();
    if (this.#since === undefined) return undefined;
    const here = this.#evaluatedAt === this.run.iteration ? { evaluated_at: this.#evaluatedAt } : {};
    return { since: this.#since, evaluations: this.#evaluations, ...here };
  }

  /** Returns the weights that the next report compares with, unless they are the checkpoint's own. */
  stateTensors(): ReadonlyMap<string, StoredTensor> {
    return this.#since === this.run.iteration ? new Map() : (this.#before ?? new Map());
  }

  restore(state: unknown): void {
    const { since, evaluations, evaluated_at: evaluatedAt = -1 } = stateSchema.parse(state);
    this.#since = since;
    this.#evaluations = evaluations;
    this.#evaluatedAt = evaluatedAt;
    this.#variables = undefined;
  }

  restoreTensors(tensors: ReadonlyMap<string, StoredTensor>): void {
    this.#before = tensors.size > 0 ? tensors : undefined;
  }

  /**
   * If the model has changed its shape since the last report, the next report compares with the weights after that
   * change.
   */
  #noticeGrowth(): void {
    const known = this.#variables;
    if (known === undefined || [...idsOf(this.model)].every((id) => known.has(id))) return;
    this.#variables = undefined;
    this.#before = undefined;
    this.#since = this.run.iteration;
  }

  #report(title: string, parts: readonly Change[], tensors: readonly Change[]): void {
    this.#table = [title, ...changeTable(parts, tensors, this.config.top)];
    if (this.config.table === 'each') this.#print();
  }

  #print(): void {
    for (const line of this.#table) this.log.info(line);
  }
}

function idsOf(model: Model): Set<number> {
  return new Set([...model.parameters().values()].map(({ id }) => id));
}
