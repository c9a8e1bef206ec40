/**
 * The package `espalier`: what an author of plugins and a program that makes runs need. Commands are written with
 * `espalier/command`, tests with `espalier/testing`.
 */

/** A plugin: its decorators, what it may do, and its options. */
export {
  inject,
  injectable,
  On,
  Plugin,
  PluginConfig,
  Wrapped,
  type Bindings,
  type InjectionToken,
  type InstallRequest,
  type PluginClass,
  type PluginInstance,
  type PluginOptions,
  type Slot,
} from '../core/index.js';

/** Events: the payload of each, and how to declare more. */
export * from '../core/events/index.js';

/** Contracts, for what fills a slot, joins processes, or keeps checkpoints, and for asking for what another plugin binds. */
export {
  BatchSource,
  CheckpointStore,
  coresOfRank,
  Dataset,
  EarlyGradients,
  Engine,
  fromFirstRank,
  HostProcess,
  LearningRate,
  listToken,
  Model,
  oneRank,
  Optimizer,
  Ranks,
  RunFolder,
  token,
  TokenizerFactory,
  Tokenizers,
  type Batch,
  type BatchProgress,
  type BatchShape,
  type Carry,
  type CheckpointState,
  type DropoutMask,
  type EngineProbe,
  type ForwardOutputs,
  type GenerateOptions,
  type KernelRecording,
  type LoadedCheckpoint,
  type Mark,
  type MemoryNeed,
  type OptimizerState,
  type OptimizerStep,
  type ParameterCount,
  type PassOperations,
  type PlannedShape,
  type PluginState,
  type PretrainedWeights,
  type RankState,
  type RecordedKernels,
  type Rows,
  type RunFacts,
  type SaveSignal,
  type SharedTokens,
  type Snapshot,
  type Split,
  type StopSignal,
  type StoredTensor,
  type Token,
  type TokenInputs,
  type Tokenizer,
  type TokenizerState,
  type TokenPart,
  type TokenReader,
  type TrainingPass,
  type WeightSource,
  type WeightSources,
} from '../core/index.js';

/** What the core gives every plugin of a run. */
export {
  ConfigPlaces,
  EventBus,
  Logger,
  MetricNames,
  RandomStream,
  RandomStreams,
  RunConfig,
  RunControl,
  RunState,
  Sections,
  Terminal,
  Tunables,
  type CheckpointKind,
  type Listener,
  type LogLevel,
  type LogSink,
  type MetricDescription,
  type MetricTable,
  type Registration,
  type Requests,
  type RollbackRequest,
  type RunSnapshot,
  type RunView,
  type SectionWatcher,
  type Spy,
  type Tunable,
  type TunableRange,
} from '../core/index.js';

/** A run from code. */
export {
  createRun,
  type PluginChoice,
  type Run,
  type RunOptions,
  type RunResult,
  type RunSettings,
  type SlotSettings,
} from '../core/index.js';

/** A config in TypeScript, and options of plugins of one's own in it. */
export { defineConfig, type ConfigSettings, type PluginFile } from './configs/typed/define-config.js';
export type * from './configs/typed/settings.js';

/** Schemas of options: zod's. */
export { z } from 'zod';

/** Errors: what a user can fix, with its code, and what a plugin threw. */
export { EspalierError, FailedRun, isUsageError, messageOf, PluginError, UsageError } from '../core/index.js';

/** Tensors: TensorFlow.js, the kernels that every engine has, and the operations of a GPT step (`espalier/ops`). */
export { accumulate, globalNorm, tf, useEngine } from '../core/index.js';
export * from './ops/contract.js';

/** Strategies and schedules of one's own (`espalier/batches`, `espalier/lr`), which guides import from here until 1.0. */
export * from './batches/contract.js';
export * from './lr/contract.js';

/** A tokenizer or dataset of one's own: the error of an unknown id, tokens in memory, and in another thread. */
export * from './data/contract.js';
export * from './tokenizers/contract.js';

/** A model or a format of weights of one's own; models that grow, and operations of the scaling schedule. */
export * from './models/contract.js';
export * from './growth/contract.js';

/** A term of the loss of one's own. */
export * from './losses/contract.js';

/** What a model says of its weights, and an optimizer of one's own. */
export * from './optimizers/contract.js';

/** A loss as an evaluation estimates it, and evaluators of one's own (`espalier/evaluation`). */
export * from './evaluation/contract.js';

/** A sink of one's own: files that a resume cuts back, and the payloads of families' events. */
export * from './logs/contract.js';
export type { Histogram } from './analysis/contract.js';
export type { Sample } from './sampling/contract.js';

/** Checkpoints as files, for programs that look at them, and copies of tensors for a thread of one's own. */
export {
  copyTensors,
  findCheckpoint,
  readCheckpoint,
  readSafetensors,
  writeSafetensors,
  type OwnTensor,
} from './checkpoint/contract.js';
