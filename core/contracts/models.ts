import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import type { ComposedConfig } from '../config/composed.js';
import type { MetricNames } from '../metrics/metrics.js';
import type { ConfiguredPlugin } from '../run/container.js';
import type { LoadedCheckpoint } from './checkpoint-store.js';
import type { Batch } from './data.js';
import type { Engine } from './engine.js';
import type { Model, TokenInputs, TrainingPass } from './model.js';
import type { Optimizer } from './optimizer.js';
import type { Token } from './token.js';

/** A run whose memory is estimated before anything of it is made. */
export interface PlannedRun {
  readonly plugins: readonly ConfiguredPlugin[];
  readonly composed: ComposedConfig;
  /** Windows of a micro-batch; undefined if nothing is trained. */
  readonly batchSize: number | undefined;
  /** Numbers that training holds for each trained weight besides the weight: a gradient, and the optimizer's. */
  readonly numbersPerTrained: number;
}

/** A batch as tensors, each [batch, time]; ids, targets and documents are int32. */
export interface PassInputs {
  readonly ids: Tensor2D;
  readonly targets: Tensor2D;
  /** Undefined without any, as a model is then called. */
  readonly tokens: TokenInputs | undefined;
  readonly weights: Tensor2D | undefined;
  readonly fields: ReadonlyMap<string, Tensor2D>;
  /** What each term counts in the loss, []. */
  readonly termWeights: readonly Scalar[];
}

/** The loss of a pass, and what it is the sum of. */
export interface LossParts {
  /** Cross-entropy and the weighted terms: what the gradient is of. */
  readonly total: Scalar;
  /** Mean over the counted targets, with their weights. */
  readonly crossEntropy: Scalar;
  /** The mean of each term, before its weight. */
  readonly terms: readonly Scalar[];
  /** Cross-entropy of each token; 0 where the target is -1. */
  readonly losses: Tensor2D;
}

/** A loss that has weights or terms, or of which each token's is asked for: of an iteration. */
export interface LossInParts {
  /** Names of its terms beside cross-entropy. */
  readonly terms: readonly string[];
  /** What each counts. */
  readonly termWeights: readonly number[];
  /** False if a term's operations may differ from pass to pass. */
  readonly isRepeatable: boolean;
  /** Computes all parts in one forward pass; `model.loss` is not called. */
  compute(model: Model, inputs: PassInputs, pass: TrainingPass | undefined): LossParts;
}

/** What counts in the loss of a batch: targets that are not -1, nor of weight 0. */
export interface CountedTargets {
  readonly targets: number;
  /** Sum of their weights, each 1 without any. */
  readonly weight: number;
}

/** The loss of a run's training passes. */
export interface TrainingLoss {
  /** Returns the terms that count in the iteration that starts. @throws EspalierError naming one whose weight is not finite */
  inParts(): LossInParts;
  /**
   * Checks a batch, and counts its targets.
   * @param from what it is and who gave it
   * @throws EspalierError, UsageError saying what is wrong with it
   */
  count(model: Model, batch: Batch, from: () => string): CountedTargets;
  /** Called before the pass of each batch. @param counted number of its targets that count */
  look(model: Model, batch: Batch, counted: number): void;
  /** Called when no target of an iteration counts. @param iterations done, including this one */
  skipped(iterations: number): void;
}

/** Stored weights, with the description of the model that they are of, if it is known. */
export type StoredWeights = Pick<LoadedCheckpoint, 'path' | 'weights'> & Partial<Pick<LoadedCheckpoint, 'model'>>;

/** What stored weights are loaded into. */
export interface WeightTargets {
  readonly engine: Pick<Engine, 'takeOver'>;
  readonly model: Model;
  /** Called with a line for the log on what did not fit one to one. */
  readonly say: (line: string) => void;
}

export interface TakeOver {
  /** The arrays that are read become the engine's, which saves copying them: nobody uses them afterwards. */
  readonly takeOver?: boolean | undefined;
}

/** What a run asks about models, whichever it has. The family of models exports one as `provided` in `provides/models.ts`. */
export interface Models {
  /**
   * Compares the memory that a run would need, as its model estimates it, with what this process may have.
   * @param vocabSize of the data; 0 if it is not known yet
   * @returns a warning if it may not fit
   * @throws UsageError naming the option to lower, if the least it can need is more than twice the memory
   */
  checkMemory(planned: PlannedRun, vocabSize: number): string | undefined;
  /**
   * Makes the loss of a run, when its plugins are made.
   * @param of.bound what plugins have bound to a contract
   * @param of.placeOf where the config turns a plugin on, as the start of a message: `file:line: `
   * @throws UsageError for loss terms of one name, and for one whose metric no plugin declares
   */
  trainingLoss(of: {
    readonly bound: <T>(contract: Token<T>) => T | undefined;
    readonly metrics: MetricNames;
    readonly placeOf: (plugin: string) => string;
    readonly warn: (line: string) => void;
  }): TrainingLoss;
  /**
   * Loads stored weights into the model, as the model says which is which.
   * @param options.all refuse what would make them compute something else: weights that the model has no place for, and
   *   settings of the model that no shape shows, such as its heads
   * @throws UsageError naming every weight that is missing or has another shape, with both shapes
   */
  loadWeights(from: StoredWeights, to: WeightTargets, options?: { readonly all?: boolean } & TakeOver): void;
  /** Loads weights, and the optimizer's state of each weight where the weight itself comes from. @throws as `loadWeights` */
  loadWithOptimizer(
    from: LoadedCheckpoint,
    to: WeightTargets & { readonly optimizer: Optimizer },
    options?: TakeOver,
  ): void;
}
