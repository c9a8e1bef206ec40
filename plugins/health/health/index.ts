import { z } from 'zod';
import {
  EventBus,
  globalNorm,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  type CheckpointDue,
  type EvaluationEnd,
  type IterationEnd,
  type RunRollback,
  type StepReady,
  tf,
} from '../../../core/index.js';
import { options, type Policy } from './options.js';
import { SpikeWatch, watchState } from './spike-watch.js';
import { TensorGrowth } from './tensor-growth.js';

/** Something that is wrong, and what to do about it. */
interface Fault {
  readonly kind: 'gradients' | 'loss' | 'weights' | 'grad_norm spike' | 'loss spike';
  readonly policy: Policy;
  readonly what: string;
}

const countsSchema = z.strictObject({
  faults: z.int().min(0),
  skipped: z.int().min(0),
  rollbacks: z.int().min(0),
  /** Whether the counts have changed since they were last published. */
  changed: z.boolean(),
});
const stateSchema = z.strictObject({
  grad_norm: watchState.optional(),
  loss: watchState.optional(),
  counts: countsSchema,
});
type State = z.output<typeof stateSchema>;

/** A fault that persists is logged once in this many iterations. */
const QUIET_FOR = 100;

@Plugin({
  name: 'health',
  summary: 'Detects NaN, infinities and spikes; then warns, skips the step, stops, or rolls back.',
  config: options,
  after: ['evaluation'],
  before: ['checkpoint'],
  metrics: {
    'health/grad_norm_ratio': {
      unit: '',
      what: 'highest gradient norm over its running median since the last evaluation',
    },
    'health/loss_ratio': { unit: '', what: 'highest training loss over its running median since the last evaluation' },
    'health/faults': { unit: '', what: 'faults found, including warnings' },
    'health/skipped_steps': { unit: '', what: 'optimizer steps skipped' },
    'health/rollbacks': { unit: '', what: 'rollbacks to a checkpoint because of a fault' },
  },
})
export default class Health {
  readonly #gradNorm: SpikeWatch;
  readonly #loss: SpikeWatch;
  #counts = startingCounts();
  /** Whether a stop or rollback was requested: further faults until it happens are ignored. */
  #pending = false;
  /** Whether this iteration's step was checked before it was taken. */
  #isChecked = false;
  readonly #tensors: TensorGrowth | undefined;
  /** Iteration at which each kind of fault that does not end the run was last logged. */
  readonly #lastLogged = new Map<Fault['kind'], number>();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Model) private readonly model: Model,
    @inject(Logger) private readonly log: Logger,
  ) {
    const { grad_norm: gradNorm, loss, window } = config.spikes;
    this.#gradNorm = new SpikeWatch('the gradients’ norm', { ...gradNorm, window });
    this.#loss = new SpikeWatch('the training loss', { ...loss, window });
    if (!config.tensors) return;
    this.#tensors = new TensorGrowth();
    bus.spy(this.#tensors);
  }

  /** Whether it may leave out a step whose loss and norm are finite. */
  get decides(): boolean {
    const { grad_norm: gradNorm, loss } = this.config.spikes;
    return gradNorm.policy !== 'warn' || loss.policy !== 'warn';
  }

  /** Checks before the optimizer step, while the weights are still unaffected. */
  @On('step:ready', 'decides')
  check(step: StepReady): void {
    this.#isChecked = true;
    if ((step.iteration + 1) % this.config.interval !== 0) return;
    for (const fault of this.#faults(step)) {
      this.#act(fault, step.iteration + 1);
      if (fault.policy !== 'warn') step.skip ??= fault.what;
    }
  }

  @On('iteration:end')
  count({ iteration, skipped, loss, gradNorm, targets }: IterationEnd): void | Promise<void> {
    if (targets > 0 && !this.#isChecked)
      this.check({ iteration, loss, gradNorm, gradients: new Map(), skip: undefined });
    this.#isChecked = false;
    const growth = this.#tensors?.look();
    if (growth !== undefined) this.log.warn(`health: iteration ${String(iteration + 1)}: ${growth}`);
    const counts = this.#counts;
    if (skipped !== undefined) {
      counts.skipped++;
      counts.changed = true;
    }
    if (!counts.changed) return;
    counts.changed = false;
    const { faults, skipped: steps, rollbacks } = counts;
    const values = { 'health/faults': faults, 'health/skipped_steps': steps, 'health/rollbacks': rollbacks };
    return this.bus.dispatch('metrics', { iteration: iteration + 1, values });
  }

  @On('evaluation:end')
  async atEvaluation({ iteration }: EvaluationEnd): Promise<void> {
    const fault = this.#badWeights();
    if (fault !== undefined) this.#act(fault, iteration);
    const [norm, loss] = [this.#gradNorm.takeHighest(), this.#loss.takeHighest()];
    const values = {
      ...(norm === undefined ? {} : { 'health/grad_norm_ratio': norm }),
      ...(loss === undefined ? {} : { 'health/loss_ratio': loss }),
    };
    if (Object.keys(values).length > 0) await this.bus.dispatch('metrics', { iteration, values });
  }

  /** Prevents a checkpoint of non-finite weights, which a resume would use. */
  @On('checkpoint:due')
  beforeCheckpoint(due: CheckpointDue): void {
    if (this.config.non_finite.weights === 'warn') return;
    const fault = this.#badWeights();
    if (fault === undefined) return;
    this.#act(fault, due.snapshot.state.run.iteration);
    due.skip ??= fault.what;
  }

  @On('run:rollback')
  wentBack({ what }: RunRollback): void {
    if (what !== 'run' || !this.#pending) return;
    this.#pending = false;
    this.#counts.rollbacks++;
    this.#counts.changed = true;
  }

  /** Returns undefined if nothing was measured yet. */
  state(): State | undefined {
    const [gradNorm, loss] = [this.#gradNorm.state(), this.#loss.state()];
    if (loss === undefined && this.#counts.faults === 0) return undefined;
    return { grad_norm: gradNorm, loss, counts: { ...this.#counts } };
  }

  restore(state: unknown): void {
    const { grad_norm: gradNorm, loss, counts } = stateSchema.parse(state ?? { counts: startingCounts() });
    this.#gradNorm.restore(gradNorm);
    this.#loss.restore(loss);
    // The rollback itself must still count after it.
    this.#counts = { ...counts, rollbacks: Math.max(counts.rollbacks, this.#counts.rollbacks) };
  }

  #faults({ loss, gradNorm, gradients }: StepReady): Fault[] {
    const { non_finite: policies, spikes } = this.config;
    if (!Number.isFinite(loss)) {
      const what = `the training loss is ${String(loss)}`;
      return [this.#badWeights() ?? { kind: 'loss', policy: policies.loss, what }];
    }
    const bad = Number.isFinite(gradNorm) ? undefined : firstNotFinite(gradients);
    if (bad !== undefined) {
      return [{ kind: 'gradients', policy: policies.gradients, what: `the gradient of ${described(bad)}` }];
    }
    const norm = this.#gradNorm.look(gradNorm);
    const high = this.#loss.look(loss);
    return [
      ...(norm === undefined
        ? []
        : [{ kind: 'grad_norm spike', policy: spikes.grad_norm.policy, what: norm } as const]),
      ...(high === undefined ? [] : [{ kind: 'loss spike', policy: spikes.loss.policy, what: high } as const]),
    ];
  }

  #badWeights(): Fault | undefined {
    const weights = this.model.parameters();
    if (Number.isFinite(globalNorm([...weights.values()]))) return undefined;
    const bad = firstNotFinite(weights);
    if (bad === undefined) return undefined;
    return { kind: 'weights', policy: this.config.non_finite.weights, what: `the weight ${described(bad)}` };
  }

  #act({ kind, policy, what }: Fault, iteration: number): void {
    if (this.#pending) return;
    this.#counts.faults++;
    this.#counts.changed = true;
    const reason = `health: iteration ${String(iteration)}: ${what}`;
    if (policy === 'stop') this.#stop(kind, reason);
    else if (policy === 'rollback') this.#rollBack(kind, reason);
    else if (iteration >= (this.#lastLogged.get(kind) ?? -QUIET_FOR) + QUIET_FOR) {
      this.#lastLogged.set(kind, iteration);
      this.log.warn(`${reason}; ${policy === 'skip' ? 'skipping the step' : 'continuing'}`);
    }
  }

  /** Stops the run, with an emergency checkpoint unless the weights themselves are bad. */
  #stop(kind: Fault['kind'], reason: string): void {
    const lost = kind === 'weights';
    this.#pending = true;
    this.log.error(`${reason}; stopping, ${lost ? 'resume from the last checkpoint' : 'with an emergency checkpoint'}`);
    this.control.requestStop(reason, 1);
    if (!lost) this.control.requestCheckpoint('emergency');
  }

  #rollBack(kind: Fault['kind'], reason: string): void {
    const { rollbacks } = this.#counts;
    if (rollbacks >= this.config.max_rollbacks) {
      this.#stop(kind, `${reason}, after ${String(rollbacks)} rollbacks (max_rollbacks)`);
      return;
    }
    this.#pending = true;
    this.control.requestRollback({ to: 'latest', what: 'run', data: 'skip', reason });
  }
}

function startingCounts(): State['counts'] {
  return { faults: 0, skipped: 0, rollbacks: 0, changed: false };
}

function described({ name, count, size }: NotFinite): string {
  return `${name} is not finite in ${count.toLocaleString('en-US')} of ${size.toLocaleString('en-US')} elements`;
}

/** A tensor with elements that are NaN or infinite, and their number. */
interface NotFinite {
  readonly name: string;
  readonly count: number;
  readonly size: number;
}

/** Returns the first tensor with non-finite elements. Reads every element: call it only if a norm is not finite. */
function firstNotFinite(tensors: ReadonlyMap<string, tf.Tensor>): NotFinite | undefined {
  for (const [name, tensor] of tensors) {
    let count = 0;
    for (const value of tensor.dataSync<'float32'>()) if (!Number.isFinite(value)) count++;
    if (count > 0) return { name, count, size: tensor.size };
  }
  return undefined;
}
