import path from 'node:path';
import type { DependencyContainer } from 'tsyringe';
import { BatchSource, Dataset, type Split } from '../contracts/data.js';
import { CheckpointStore, type LoadedCheckpoint, type Snapshot } from '../contracts/checkpoint-store.js';
import { EarlyGradients } from '../contracts/early-gradients.js';
import { Engine } from '../contracts/engine.js';
import { LearningRate } from '../contracts/learning-rate.js';
import { Model } from '../contracts/model.js';
import { Optimizer } from '../contracts/optimizer.js';
import { Ranks } from '../contracts/ranks.js';
import { RunFolder } from '../contracts/run-folder.js';
import { valueAt, type Given, type Settings } from '../config/composed.js';
import type { Explained } from '../config/explain.js';
import type { CoreConfig } from '../config/schema.js';
import { messageOf, PluginError, usageErrorIn } from '../errors.js';
import type { EventBus } from '../events/bus.js';
import type { EventName, Events } from '../events/lifecycle.js';
import { Logger } from '../logger.js';
import { RandomStreams } from '../random/streams.js';
import { otherRanks } from './other-ranks.js';
import { boundTo, isActive, type LivePlugin } from './container.js';
import { RunControl } from './control.js';
import { checkPrecision } from './engine.js';
import { releaseEngine } from './engine-in-use.js';
import { useEngine } from '../tf.js';
import { Sections } from './sections.js';
import { restorePlugins, takeStates } from './plugin-state.js';
import { ofRank, restoreCheckpoint, loadWeights, type RestoreTargets, type WeightsOf } from './restore.js';
import { trainLoop, type LoopParts } from './loop.js';
import { microBatches } from './iteration.js';
import { rollBack } from './rollback.js';
import { RunState, type CheckpointKind } from './state.js';
import { unlessStuck } from './stuck.js';
import { Tunables } from './tunables.js';

/** What came of training. */
export interface RunResult {
  /** `stopped`: before `train.max_iters`, or with something wrong. */
  readonly status: 'done' | 'stopped';
  /** Why it stopped; empty when done. */
  readonly reasons: readonly string[];
  /** What the command exits with: 0, 128 + the signal's number, or 1 where something is wrong. */
  readonly exitCode: number;
  /** Iterations done. */
  readonly iteration: number;
  /** In nats: of the last iteration's batches, and of the last evaluation; null where this process made none. */
  readonly losses: { readonly train: number | null; readonly val: number | null };
  /** Folders of the checkpoint that was written last, and of the best; null where this process wrote none. */
  readonly checkpoints: { readonly latest: string | null; readonly best: string | null };
  /** The run's folder, absolute. */
  readonly folder: string;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

export interface RunParts {
  readonly config: CoreConfig;
  /** The composed config with every default. */
  readonly composed: Settings;
  /** Every setting of that with its origin. */
  readonly explain: () => Explained[];
  /** The same as `config.yaml` and checkpoints hold it: paths of plugins are relative to the run's folder. */
  readonly stored: Settings;
  /** What its presets and files gave. */
  readonly given: Given;
  readonly container: DependencyContainer;
  readonly bus: EventBus;
  readonly plugins: readonly LivePlugin[];
  readonly version: string;
  /** Warns of a model that may not fit, with the size of the vocabulary. @throws UsageError where it cannot */
  readonly checkMemory: (vocabSize: number) => void;
  /** Writes `config.yaml`; called when training starts. */
  readonly writeConfig: (folder: RunFolder) => void;
}

/** One run: its plugins, their container and their events. Made by `createRun`. */
export class Run implements AsyncDisposable {
  readonly config: CoreConfig;
  readonly container: DependencyContainer;
  readonly bus: EventBus;
  readonly control: RunControl;
  readonly state: RunState;
  #disposed = false;
  #maxItersBefore: number | undefined;
  #resumedFrom: string | undefined;

  constructor(private readonly parts: RunParts) {
    this.config = parts.config;
    this.container = parts.container;
    this.bus = parts.bus;
    this.control = parts.container.resolve(RunControl);
    this.state = parts.container.resolve(RunState);
  }

  /** The composed config with every default. */
  get composedConfig(): Settings {
    return this.parts.composed;
  }

  /** Every setting with its origin. */
  explain(): Explained[] {
    return this.parts.explain();
  }

  get model(): Model {
    return this.container.resolve(Model);
  }

  get folder(): RunFolder {
    return this.container.resolve(RunFolder);
  }

  /**
   * Adds a listener after the plugins'; the run waits for the promise that it returns. What it throws ends the run, and
   * `train` throws it.
   * @returns what removes it
   */
  on<Name extends EventName>(event: Name, listener: (payload: Events[Name]) => unknown): () => void {
    return this.bus.on(event, listener);
  }

  /** Stops training after the current iteration, with a checkpoint where a plugin writes any: a run that is resumed continues. */
  stop(reason: string): void {
    this.control.requestPause(reason);
  }

  /** Gets engine, data and weights ready; nothing is written. `vocabSize` is asked for where there is no dataset. */
  async setUp(vocabSize?: number): Promise<void> {
    checkPrecision(this.container.resolve(Engine), this.config.precision);
    await unlessStuck(this.bus, this.bus.dispatch('run:setup', { runDir: this.folder.path }));
    useEngine(this.container.resolve(Engine));
    const tokens = vocabSize ?? this.container.resolve(Dataset).vocabSize;
    this.parts.checkMemory(tokens);
    this.model.build(tokens);
  }

  /** Takes weights alone, all of them. @throws UsageError naming what does not fit, or has no place in the model */
  loadWeights(from: WeightsOf): void {
    useEngine(this.container.resolve(Engine));
    loadWeights(this.model, from, this.#say, { all: true });
  }

  /** Gives the model, and plugins that wrap a slot, the state of a checkpoint back: the shape of what it holds. */
  restoreShape(from: LoadedCheckpoint): void {
    useEngine(this.container.resolve(Engine));
    restorePlugins(
      from,
      this.parts.plugins.filter(({ shapes }) => shapes),
    );
  }

  /**
   * Goes on from a checkpoint: weights, optimizer, position, random streams and every plugin's state.
   * @param options.drop plugins whose state is dropped: they start afresh
   * @param options.staysEnded a run that a plugin ended is not trained further
   */
  restore(
    from: LoadedCheckpoint,
    options: { readonly drop?: readonly string[]; readonly staysEnded?: boolean | undefined } = {},
  ): void {
    useEngine(this.container.resolve(Engine));
    restoreCheckpoint(ofRank(from, this.#ranks), this.#targets, options.drop);
    if (options.staysEnded !== true) this.state.ending = null;
    this.#resumedFrom = from.path;
    const { value } = valueAt(from.state.config, ['train', 'max_iters']);
    this.#maxItersBefore = typeof value === 'number' ? value : undefined;
    const iteration = microBatches(this.config.train, this.container.resolve(Tunables));
    const told = otherRanks(from.state, { ranks: this.#ranks.size, ...iteration });
    if (told !== undefined) this.#say(told);
    const { engine } = from.state;
    if (engine !== undefined && engine !== this.#engine) {
      this.#say(
        `the checkpoint was computed with ${engine}, this run computes with ${this.#engine}: it goes on, but not bit for bit as it would have`,
      );
    }
  }

  /**
   * Trains to the end; `run:end` fires on every way out. Call `dispose` afterwards.
   * @throws what the command would print, with its code: UsageError, PluginError
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
    this.parts.writeConfig(folder);
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
    // Of a run that had ended before nothing is asked for now.
    const before = state.ending === null || status === 'done' ? [] : [state.ending.reason];
    const reasons = control.stopReasons.length > 0 ? control.stopReasons : before;
    await this.#end(status, reasons);
    const exitCode = status === 'stopped' ? control.exitCode : 0;
    return { status, reasons, exitCode, iteration: state.iteration, losses, checkpoints, folder: folder.path };
  }

  /** Everything needed to go on from here. Its tensors are live. */
  snapshot(): Snapshot {
    const { container, state } = this;
    const random = container.resolve(RandomStreams);
    const kept = takeStates(this.parts.plugins.filter((plugin) => isActive(plugin, this.#ranks)));
    return {
      weights: this.model.parameters(),
      optimizer: container.resolve(Optimizer).exportState(),
      plugins: kept.tensors,
      model: { ...this.model.description, vocab_size: this.model.vocabSize },
      state: {
        espalier: this.parts.version,
        run: state.snapshot(),
        random: random.state(),
        seed: random.seed,
        tunables: container.resolve(Tunables).changed(),
        plugins: kept.states,
        tokenizer: container.resolve(Dataset).tokenizer?.state() ?? null,
        engine: this.#engine,
        ranks: this.#ranks.size,
        config: this.parts.stored,
        cwd: path.relative(this.folder.path, this.folder.fromConfig('.')),
        given: this.parts.given,
      },
    };
  }

  /** The snapshot of a checkpoint. What writes it takes note of it first, so that its own state is of after this one. */
  async #snapshotFor(kinds: readonly CheckpointKind[]): Promise<Snapshot> {
    if (this.#ranks.rank === 0) await this.#store?.prepare?.(kinds);
    return this.snapshot();
  }

  /** Size of the checkpoints of this run, where a plugin keeps any. */
  expectedCheckpoints(parameters: number): { bytes: number; kept: number } | undefined {
    return this.#store?.expected(parameters);
  }

  /** Length of a split of the data, in tokens. */
  tokensIn(split: Split): number {
    return this.container.resolve(Dataset).split(split).length;
  }

  /** Releases what every plugin holds, last made first, even when one of them fails. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const log = this.container.resolve(Logger);
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

  /** Undefined where no plugin writes checkpoints. */
  get #store(): CheckpointStore | undefined {
    return boundTo(this.container, CheckpointStore);
  }

  get #targets(): RestoreTargets {
    return {
      model: this.model,
      optimizer: this.container.resolve(Optimizer),
      state: this.state,
      random: this.container.resolve(RandomStreams),
      tunables: this.container.resolve(Tunables),
      plugins: this.parts.plugins,
      say: this.#say,
    };
  }

  get #engine(): string {
    const { name, description } = this.container.resolve(Engine);
    return `${name}: ${description}`;
  }

  get #ranks(): Ranks {
    return this.container.resolve(Ranks);
  }

  readonly #say = (line: string): void => {
    this.container.resolve(Logger).warn(line);
  };

  get #loopParts(): LoopParts {
    const { bus, control, state, config, container } = this;
    return {
      config: config.train,
      bus,
      control,
      state,
      engine: container.resolve(Engine),
      model: this.model,
      optimizer: container.resolve(Optimizer),
      tunables: container.resolve(Tunables),
      learningRate: container.resolve(LearningRate),
      batches: container.resolve(BatchSource),
      ranks: this.#ranks,
      early: boundTo(container, EarlyGradients),
      sections: container.resolve(Sections),
      pluginIn: (slot) => this.parts.plugins.find((plugin) => plugin.slot === slot)?.name ?? slot,
      snapshot: (kinds) => this.#snapshotFor(kinds),
      warn: this.#say,
      rollBack: (request) =>
        rollBack(request, {
          bus,
          control,
          shown: this.folder.shown,
          log: container.resolve(Logger),
          ranks: this.#ranks,
          store: this.#store,
          targets: this.#targets,
        }),
    };
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
      this.container.resolve(Logger).error(messageOf(thrown));
    } finally {
      this.folder.release();
    }
  }
}
