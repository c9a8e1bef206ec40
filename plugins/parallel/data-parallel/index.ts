import { availableParallelism, cpus } from 'node:os';
import {
  Dataset,
  EarlyGradients,
  EspalierError,
  EventBus,
  HostProcess,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunConfig,
  UsageError,
  tf,
  type Bindings,
  type CheckpointDue,
  type EvaluationDue,
  type GradientsReady,
  type IterationEnd,
  type IterationStart,
  type Requests,
  type RequestsReady,
  type RunEnd,
  type RunStart,
} from '../../../core/index.js';
import { agreed, said } from './agree.js';
import { Averager, type Share } from './average.js';
import { Connection } from './connection.js';
import { optionsSchema, type Options } from './options.js';
import { endWithLauncher } from './orphan.js';
import { digestOf, named, odd } from './same.js';
import { gatherStates } from './states.js';

const MEGABYTE = 1e6;
/** Time for a failed run to report its error before it is ended, even during a call to MPI. */
const GRACE_MS = 2000;

@Plugin({
  name: 'data-parallel',
  summary: 'Trains one model in several processes, on one machine or more, over MPI.',
  config: optionsSchema,
  before: ['*'],
  metrics: {
    'ranks/communication_ms': {
      unit: 'ms',
      what: 'mean time of an iteration in which rank 0 averaged gradients, waiting for other ranks included',
      clock: true,
    },
    'ranks/communication_share': {
      unit: 'share',
      what: 'share of the iterations’ time in which rank 0 averaged gradients, waiting for other ranks included',
      clock: true,
    },
  },
})
export default class DataParallel implements EarlyGradients {
  static register(bindings: Bindings): void {
    bindings.bind(Ranks, Connection);
    bindings.bind(EarlyGradients, DataParallel);
  }

  #averager: Averager | undefined;
  /** Mean gradients by name; reused in each iteration. */
  readonly #means = new Map<string, Float32Array>();
  /** Names of this iteration's gradients that are already being sent. */
  readonly #early = new Set<string>();
  #iterationAt = 0;
  /** Totals since the last metrics. */
  #since = { iterations: 0, ms: 0, communicationMs: 0 };
  /** Iterations done at the last comparison of weights. */
  #compared = -1;
  /** Requests agreed on so far. */
  #agreed: Pick<Requests, 'stops' | 'checkpoints'> = { stops: [], checkpoints: [] };
  #ended = false;
  #stopWatching: () => void = () => undefined;

  constructor(
    @inject(PluginConfig) private readonly config: Options,
    @inject(Connection) private readonly connection: Connection,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Logger) private readonly log: Logger,
    @inject(Model) private readonly model: Model,
    @inject(Dataset) private readonly data: Dataset,
    @inject(HostProcess) private readonly host: HostProcess,
  ) {
    const { size, launch } = connection;
    // Ranks started by a script may outlive it.
    if (size > 1 && launch.family !== undefined) this.#stopWatching = endWithLauncher(log, host);
  }

  get #alone(): boolean {
    return this.connection.size === 1;
  }

  @On('run:setup')
  join(): void {
    if (this.#alone) {
      this.log.info('data-parallel: one rank (start several with espalier launch -n 4 train …, or with mpirun)');
      return;
    }
    const { size, onThisMachine } = this.connection;
    const mpi = this.connection.join();
    this.#averager = new Averager(mpi, {
      size,
      wire: this.config.wire,
      bucketBytes: this.config.bucket_mb * MEGABYTE,
    });
    this.log.info(
      `data-parallel: ${String(size)} ranks, ${String(onThisMachine)} on this machine, ${mpi.description}; gradients travel in ${this.config.wire}`,
    );
    if (availableParallelism() < onThisMachine && availableParallelism() < cpus().length) {
      this.log.warn(
        `data-parallel: the launcher has pinned this process to ${String(availableParallelism())} of ${String(cpus().length)} cores; espalier launch, or mpirun --bind-to none, lets it use its share of all cores`,
      );
    }
  }

  /** Each rank reads its config, data and checkpoint by itself: they must be equal. */
  @On('run:start')
  async compareStart({ state, maxIters, resumedFrom }: RunStart): Promise<void> {
    if (this.#alone) return;
    const facts = {
      iteration: `${String(state.iteration)}${resumedFrom === undefined ? '' : ` of ${resumedFrom}`}`,
      training: JSON.stringify([maxIters, this.run.train, this.run.seed]),
      'training data': this.data.split('train').id,
      'validation data': this.data.split('val').id,
    };
    const all = await this.connection.gatherTexts(JSON.stringify(Object.values(facts)));
    const differing = odd(all);
    if (differing.length > 0) {
      throw new UsageError(
        'ESP_RANKS_START',
        `data-parallel: ${named(differing)} would start from a different state than the others: ${all.map((text, rank) => `rank ${String(rank)} has ${text}`).join('; ')} (${Object.keys(facts).join(', ')}); config, data and the run's folder must be the same on every machine`,
      );
    }
    await this.#compareWeights(state.iteration);
  }

  @On('iteration:start')
  begin(_: IterationStart): void {
    this.#iterationAt = performance.now();
  }

  get wanted(): boolean {
    return this.#averager !== undefined && this.config.overlap;
  }

  take(name: string, gradient: tf.Tensor): void {
    const from = performance.now();
    this.#early.add(name);
    this.#averager?.add(this.#share(name, gradient));
    this.#since.communicationMs += performance.now() - from;
  }

  @On('gradients:ready')
  async average({ gradients }: GradientsReady): Promise<void> {
    if (this.#averager === undefined) return;
    const from = performance.now();
    const rest = [...gradients].filter(([name]) => !this.#early.has(name));
    this.#early.clear();
    await this.#averager.average(rest.map(([name, gradient]) => this.#share(name, gradient)));
    for (const [name, gradient] of gradients) {
      gradients.set(name, tf.tensor(this.#meanOf(name, gradient), gradient.shape, 'float32'));
      gradient.dispose();
    }
    this.#since.communicationMs += performance.now() - from;
  }

  #share(name: string, gradient: tf.Tensor): Share {
    return { values: gradient.dataSync<'float32'>(), into: this.#meanOf(name, gradient) };
  }

  #meanOf(name: string, { size }: tf.Tensor): Float32Array {
    const known = this.#means.get(name);
    if (known?.length === size) return known;
    const made = new Float32Array(size);
    this.#means.set(name, made);
    return made;
  }

  @On('iteration:end')
  async publish({ iteration }: IterationEnd): Promise<void> {
    if (this.#alone) return;
    this.#since.iterations++;
    this.#since.ms += performance.now() - this.#iterationAt;
    if ((iteration + 1) % this.config.interval !== 0) return;
    const { iterations, ms, communicationMs } = this.#since;
    this.#since = { iterations: 0, ms: 0, communicationMs: 0 };
    const values = {
      'ranks/communication_ms': communicationMs / iterations,
      'ranks/communication_share': communicationMs / ms,
    };
    await this.bus.dispatch('metrics', { iteration: iteration + 1, values });
  }

  @On('requests:ready')
  async agree(ready: RequestsReady): Promise<void> {
    if (this.#alone) return;
    ready.requests = agreed(await this.connection.gatherTexts(said(ready.requests)), this.#agreed);
    const { stops, checkpoints } = ready.requests;
    this.#agreed = {
      stops: [...this.#agreed.stops, ...stops],
      checkpoints: [...this.#agreed.checkpoints, ...checkpoints],
    };
  }

  @On('evaluation:due')
  async compareAtEvaluation({ iteration }: EvaluationDue): Promise<void> {
    await this.#compareWeights(iteration);
  }

  @On('checkpoint:due')
  async gather({ snapshot: { state } }: CheckpointDue): Promise<void> {
    if (this.#alone) return;
    await this.#compareWeights(state.run.iteration);
    await gatherStates(state, this.connection);
  }

  @On('run:end')
  end({ status }: RunEnd): void {
    if (status === 'failed') return;
    this.#ended = true;
    this.connection.done();
  }

  dispose(): void {
    this.#stopWatching();
    if (!this.connection.joined || this.#ended) return;
    // A call to MPI that waits for other ranks would keep this process alive.
    setTimeout(() => {
      this.host.exit(Number(process.exitCode ?? 0) || 1);
    }, GRACE_MS).unref();
  }

  /** @throws EspalierError naming the ranks whose weights differ from the others' */
  async #compareWeights(iteration: number): Promise<void> {
    if (this.#alone || this.#compared === iteration) return;
    this.#compared = iteration;
    const all = await this.connection.gatherTexts(digestOf(this.model.parameters()));
    const differing = odd(all);
    if (differing.length === 0) return;
    throw new EspalierError(
      'ESP_RANKS_DIFFER',
      `data-parallel: the weights of ${named(differing)} are not those of the other ranks at iteration ${String(iteration)}: ${named(differing)} computed other numbers (kernels of another processor, another version, faulty memory); resume from the last checkpoint with the same engine and variant on every rank`,
    );
  }
}
