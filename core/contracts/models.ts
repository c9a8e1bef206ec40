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

/** A run whose memory is estimated before anything is created. */
export interface PlannedRun {
  readonly plugins: readonly ConfiguredPlugin[];
  readonly composed: ComposedConfig;
  /** Windows of a micro-batch; undefined if nothing is trained. */
  readonly batchSize: number | undefined;
  /** Floats held per trained weight besides the weight itself: its gradient and the optimizer's state. */
  readonly numbersPerTrained: number;
}

/** A batch as tensors, each [batch, time]; ids, targets and documents are int32. */
export interface PassInputs {
  readonly ids: Tensor2D;
  readonly targets: Tensor2D;
  /** Undefined if the batch has none; passed on to the model as is. */
  readonly tokens: TokenInputs | undefined;
  readonly weights: Tensor2D | undefined;
  readonly fields: ReadonlyMap<string, Tensor2D>;
  /** Weight of each term in the loss, []. */
  readonly termWeights: readonly Scalar[];
}

/** The loss of a pass and its components. */
export interface LossParts {
  /** Cross-entropy plus the weighted terms: what is differentiated. */
  readonly total: Scalar;
  /** Weighted mean over the counted targets. */
  readonly crossEntropy: Scalar;
  /** Mean of each term, before its weight. */
  readonly terms: readonly Scalar[];
  /** Cross-entropy of each token; 0 where the target is -1. */
  readonly losses: Tensor2D;
}

/** The loss of one iteration, if it has target weights or terms, or if per-token losses were requested. */
export interface LossInParts {
  /** Names of its terms beside cross-entropy. */
  readonly terms: readonly string[];
  /** Weight of each term. */
  readonly termWeights: readonly number[];
  /** False if a term's operations may differ from pass to pass. */
  readonly isRepeatable: boolean;
  /** Computes all components in one forward pass, without calling `model.loss`. */
  compute(model: Model, inputs: PassInputs, pass: TrainingPass | undefined): LossParts;
}

/** The targets of a batch that count in the loss: not -1, and not of weight 0. */
export interface CountedTargets {
  readonly targets: number;
  /** Sum of their weights; the number of targets if the batch has no weights. */
  readonly weight: number;
}

/** The training loss of a run. */
export interface TrainingLoss {
  /** Returns the terms of the starting iteration. @throws EspalierError naming one whose weight is not finite */
  inParts(): LossInParts;
  /**
   * Checks a batch and counts its targets.
   * @param from describes the batch and the plugin that made it
   * @throws EspalierError, UsageError with what is wrong
   */
  count(model: Model, batch: Batch, from: () => string): CountedTargets;
  /** Called before the pass of each batch. @param counted number of its counted targets */
  look(model: Model, batch: Batch, counted: number): void;
  /** Called for an iteration without counted targets. @param iterations number done, including this one */
  skipped(iterations: number): void;
}

/** Stored weights, with the description of their model if it is known. */
export type StoredWeights = Pick<LoadedCheckpoint, 'path' | 'weights'> & Partial<Pick<LoadedCheckpoint, 'model'>>;

/** What stored weights are loaded into. */
export interface WeightTargets {
  readonly engine: Pick<Engine, 'takeOver'>;
  readonly model: Model;
  /** Called with a log line for each difference between stored and model weights. */
  readonly say: (line: string) => void;
}

export interface TakeOver {
  /** Gives the arrays that are read to the engine, which avoids a copy: nothing else may use them afterwards. */
  readonly takeOver?: boolean | undefined;
}

/** What a run needs to know about any model. A family implements it as `provided` in `provides/models.ts`. */
export interface Models {
  /**
   * Compares the memory that the model estimates for a run with what this process may use.
   * @param vocabSize vocabulary of the data; 0 if unknown
   * @returns a warning if the run may not fit
   * @throws UsageError naming the option to lower, if the estimate is more than twice the memory
   */
  checkMemory(planned: PlannedRun, vocabSize: number): string | undefined;
  /**
   * Creates the loss of a run, while its plugins are made.
   * @param of.bound returns what plugins have bound to a contract
   * @param of.placeOf returns where the config turns a plugin on, as the start of a message: `file:line: `
   * @throws UsageError if two loss terms have one name, or if no plugin declares a term's metric
   */
  trainingLoss(of: {
    readonly bound: <T>(contract: Token<T>) => T | undefined;
    readonly metrics: MetricNames;
    readonly placeOf: (plugin: string) => string;
    readonly warn: (line: string) => void;
  }): TrainingLoss;
  /**
   * Loads stored weights into the model, matched as the model prescribes.
   * @param options.all refuse stored weights that would compute something else: weights without a place in the model,
   * and settings that no shape shows, such as the number of heads
   * @throws UsageError naming every weight that is missing or has another shape, with both shapes
   */
  loadWeights(from: StoredWeights, to: WeightTargets, options?: { readonly all?: boolean } & TakeOver): void;
  /** Loads weights and the optimizer state that belongs to each. @throws as `loadWeights` */
  loadWithOptimizer(
    from: LoadedCheckpoint,
    to: WeightTargets & { readonly optimizer: Optimizer },
    options?: TakeOver,
  ): void;
}
