import path from 'node:path';
import { stringify } from 'yaml';
import type { DependencyContainer } from 'tsyringe';
import { BatchSource, Dataset } from '../contracts/data.js';
import { CheckpointStore, type LoadedCheckpoint, type Snapshot } from '../contracts/checkpoint-store.js';
import { Engine } from '../contracts/engine.js';
import { Model } from '../contracts/model.js';
import type { StoredWeights, TakeOver } from '../contracts/models.js';
import { LearningRate, Optimizer } from '../contracts/optimizer.js';
import { EarlyGradients } from '../contracts/ranks.js';
import type { RunFolder } from '../contracts/run-folder.js';
import { valueAt, type Explained } from '../config/composed.js';
import type { CoreConfig } from '../config/schema.js';
import { messageOf, PluginError, usageErrorIn } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { EventName, Events } from '../events/lifecycle.js';
import { boundTo, isActive } from './container.js';
import type { RunControl } from './control.js';
import { checkPrecision, engineOf, releaseEngine } from './engine-in-use.js';
import { useEngine } from '../tf.js';
import { restorePlugins, takeStates } from './plugin-state.js';
import { ofRank, restoreCheckpoint, type RestoreTargets } from './restore.js';
import { trainLoop, type LoopParts } from './loop.js';
import type { RunParts, RunResult } from './parts.js';
import { rollBack } from './rollback.js';
import type { CheckpointKind, RunState } from './state.js';
import { version } from '../version.js';
import { unlessStuck } from './stuck.js';

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A run: its plugins, their container and their events. Create it with `createRun`. */
export class Run implements AsyncDisposable {
  readonly config: CoreConfig;
  readonly container: DependencyContainer;
  readonly bus: EventBus;
  readonly control: RunControl;
  readonly folder: RunFolder;
  readonly state: RunState;
  #disposed = false;
  #maxItersBefore: number | undefined;
  #resumedFrom: string | undefined;

  constructor(private readonly parts: RunParts) {
    this.config = parts.config;
    this.container = parts.container;
    this.bus = parts.bus;
    this.control = parts.control;
    this.folder = parts.folder;
    this.state = parts.state;
  }

  get model(): Model {
    return this.container.resolve(Model);
  }

  get engine(): Engine {
    return this.container.resolve(Engine);
  }

  /** Returns every setting with its origin. */
  explain(): Explained[] {
    return this.parts.explain();
  }

  /** Floats held per trained weight besides the weight itself: its gradient and the optimizer's state. */
  get numbersPerTrained(): number {
    return this.parts.numbersPerTrained;
  }

  /**
   * Adds a listener after the plugins'; the run awaits the promise that it returns. An error that it throws ends the
   * run, and `train` rethrows it.
   * @returns its remover
   */
  on<Name extends EventName>(event: Name, listener: (payload: Events[Name]) => unknown): () => void {
    return this.bus.on(event, listener);
  }

  /** Stops training after the current iteration, with a checkpoint if a plugin writes them; the run can be resumed. */
  stop(reason: string): void {
    this.control.requestPause(reason);
  }

  /**
   * Prepares engine, data and weights; nothing is written.
   * @param vocabSize needed if there is no dataset
   * @param options.loads weights will be loaded next, so initial values need not be drawn
   */
  async setUp(vocabSize?: number, { loads = false }: { readonly loads?: boolean } = {}): Promise<void> {
    const { engine } = this;
    checkPrecision(engine, this.config.precision);
    await unlessStuck(this.bus, this.bus.dispatch('run:setup', { runDir: this.folder.path }));
    useEngine(engine);
    const tokens = vocabSize ?? this.container.resolve(Dataset).vocabSize;
    this.parts.checkMemory(tokens);
    this.model.build(tokens);
    boundTo(this.container, Optimizer)?.prepare?.(this.model.parameters());
    if (!loads) this.model.initialize?.(this.model.parameters().keys());
  }

  /**
   * Loads all weights and nothing else.
   * @param options.takeOver gives the arrays to the run: nothing else may use them afterwards
   * @throws UsageError naming what does not fit, or has no place in the model
   */
  loadWeights(from: StoredWeights, { takeOver }: TakeOver = {}): void {
    const { engine, model } = this;
    useEngine(engine);
    this.parts.models.loadWeights(from, { engine, model, say: this.#say }, { all: true, takeOver });
  }

  /** Restores the state of the model and of plugins that wrap a slot, which gives the model its stored shape. */
  restoreShape(from: LoadedCheckpoint): void {
    useEngine(this.engine);
    restorePlugins(
      from,
      this.parts.plugins.filter(({ decidesShape }) => decidesShape),
    );
  }

  /**
   * Resumes from a checkpoint: weights, optimizer, position, random streams and every plugin's state.
   * @param options.drop plugins whose state is not restored
   * @param options.staysEnded do not continue a run that a plugin ended
   * @param options.takeOver gives the checkpoint's arrays to the run: nothing else may use them afterwards
   */
  restore(
    from: LoadedCheckpoint,
    options: { readonly drop?: readonly string[]; readonly staysEnded?: boolean | undefined } & TakeOver = {},
  ): void {
    useEngine(this.engine);
    restoreCheckpoint(ofRank(from, this.parts.ranks), this.#targets, options);
    if (options.staysEnded !== true) this.state.ending = null;
    this.#resumedFrom = from.path;
    const { value } = valueAt(from.state.config, ['train', 'max_iters']);
    this.#maxItersBefore = typeof value === 'number' ? value : undefined;
  }

  /**
   * Trains to the end; `run:end` fires on every way out. Call `dispose` afterwards.
   * @throws UsageError, PluginError: what the command would print, with its code
   */
  async train(resumedFrom = this.#resumedFrom): Promise<RunResult> {
    const { bus, control, state, config, folder } = this;
    await folder.claim();
    const checkpoints: Writable<RunResult['checkpoints']> = { latest: null, best: null };
    const losses: Writable<RunResult['losses']> = { train: null, val: null };
    bus.listen({ plugin: 'core', event: 'evaluation:end', critical: true }, (evaluation) => {
      losses.val = evaluation.losses.val;
    });
    bus.listen({ plugin: 'core', event: 'checkpoint:saved', critical: true }, ({ path: written, kind }) => {
      checkpoints.latest = written;
      if (kind === 'best') checkpoints.best = written;
    });
    this.#writeConfig();
    try {
      await unlessStuck(
        bus,
        this.#train(resumedFrom).then((loss) => (losses.train = loss)),
      );
    } catch (thrown) {
      await this.#end('failed', [messageOf(thrown)]);
      throw usageErrorIn(thrown) ?? thrown;
    }
    const isWhole = state.iteration >= config.train.max_iters && !state.owesEvaluation;
    const status = isWhole && !control.failed ? 'done' : 'stopped';
    // A run that had already ended has its reason in the state, since nothing was requested now.
    const before = state.ending === null || status === 'done' ? [] : [state.ending.reason];
    const reasons = control.stopReasons.length > 0 ? control.stopReasons : before;
    await this.#end(status, reasons);
    const exitCode = status === 'stopped' ? control.exitCode : 0;
    return { status, reasons, exitCode, iteration: state.iteration, losses, checkpoints, folder: folder.path };
  }

  /** Returns everything needed to resume from here. Its tensors are live. */
  snapshot(): Snapshot {
    const { container, folder, state } = this;
    const { kept, plugins, random, ranks, tunables } = this.parts;
    const { states, tensors } = takeStates(plugins.filter((plugin) => isActive(plugin, ranks)));
    return {
      weights: this.model.parameters(),
      optimizer: container.resolve(Optimizer).exportState(),
      plugins: tensors,
      model: { ...this.model.description, vocab_size: this.model.vocabSize },
      state: {
        espalier: version,
        run: state.snapshot(),
        random: random.state(),
        seed: random.seed,
        tunables: tunables.changed(),
        plugins: states,
        tokenizer: container.resolve(Dataset).tokenizer?.state() ?? null,
        engine: engineOf(this.engine),
        ranks: ranks.size,
        config: kept.config,
        cwd: path.relative(folder.path, folder.fromConfig('.')),
        given: kept.given,
      },
    };
  }

  /** Takes the snapshot of a checkpoint, after the store has recorded the checkpoint in its own state. */
  async #snapshotFor(kinds: readonly CheckpointKind[]): Promise<Snapshot> {
    if (this.parts.ranks.rank === 0) await this.#store?.prepare?.(kinds);
    return this.snapshot();
  }

  /** Disposes every plugin, last created first, even if one of them fails. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const { log } = this.parts;
    for (const { name, instance } of [...this.parts.plugins].reverse()) {
      try {
        await instance.dispose?.();
      } catch (thrown) {
        log.error(new PluginError(name, 'dispose()', thrown).message);
      }
    }
    this.folder.release();
    releaseEngine(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Undefined if no plugin writes checkpoints. */
  get #store(): CheckpointStore | undefined {
    return boundTo(this.container, CheckpointStore);
  }

  get #targets(): RestoreTargets {
    const { engine, model, container, parts } = this;
    return { ...parts, engine, model, optimizer: container.resolve(Optimizer), say: this.#say };
  }

  readonly #say = (line: string): void => {
    this.parts.log.warn(line);
  };

  get #loopParts(): LoopParts {
    const { config, container, model, parts } = this;
    return {
      ...parts,
      config: config.train,
      model,
      engine: this.engine,
      batches: container.resolve(BatchSource),
      optimizer: container.resolve(Optimizer),
      learningRate: container.resolve(LearningRate),
      early: boundTo(container, EarlyGradients),
      pluginIn: (slot) => parts.plugins.find((plugin) => plugin.slot === slot)?.name ?? slot,
      snapshot: (kinds) => this.#snapshotFor(kinds),
      rollBack: (request) =>
        rollBack(request, { ...parts, shown: this.folder.shown, store: this.#store, targets: this.#targets }),
    };
  }

  #writeConfig(): void {
    const { folder, kept, log } = this.parts;
    const aside = folder.writeConfig(stringify(kept.config));
    if (aside !== undefined)
      log.warn(`${folder.shown}/config.yaml was edited by hand: the edited file is kept as ${aside}`);
  }

  async #train(resumedFrom: string | undefined): Promise<number | null> {
    const parts = this.#loopParts;
    const { bus, config, sections, state } = parts;
    const start = { state, maxIters: config.max_iters, resumedFrom, maxItersBefore: this.#maxItersBefore };
    await bus.dispatch('run:start', start);
    const loss = await trainLoop(parts);
    await bus.dispatch('training:end', { iteration: state.iteration });
    await sections.measure('checkpoint', () => this.#store?.finish());
    return loss;
  }

  async #end(status: 'done' | 'stopped' | 'failed', reasons: readonly string[]): Promise<void> {
    try {
      await this.bus.dispatch('run:end', { status, state: this.state, reasons });
    } catch (thrown) {
      if (status !== 'failed') throw thrown;
      this.parts.log.error(messageOf(thrown));
    } finally {
      this.folder.release();
    }
  }
}
