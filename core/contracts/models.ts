import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import type { ComposedConfig } from '../config/composed.js';
import type { ConfiguredPlugin } from '../run/container.js';
import type { LoadedCheckpoint, StoredTensor } from './checkpoint-store.js';
import type { Batch } from './data.js';
import type { LossTerm } from './loss-term.js';
import type { Model, TokenInputs, TrainingPass, WeightSource } from './model.js';

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

/** Watches what ignored targets lead to. */
export interface IgnoredTargets {
  /** Called with each batch, before its pass. @param counted number of its targets that are not -1 */
  look(batch: Batch, counted: number): void;
  /** An iteration had no target to count. @param iterations done, including this one */
  skipped(iterations: number): void;
}

/** Weights by name, as far as matching looks at them. */
export type WeightShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;
export type MatchableModel = Pick<Model, 'weightSources' | 'description'> & { parameters(): WeightShapes };
/** Stored weights, with the description of the model that they are of. */
export type StoredWeights = Pick<LoadedCheckpoint, 'weights'> & Partial<Pick<LoadedCheckpoint, 'model'>>;

/** How stored tensors fit the weights of a model. */
export interface WeightMatch {
  readonly sources: ReadonlyMap<string, WeightSource>;
  /** By the model's names. */
  readonly found: ReadonlyMap<string, StoredTensor>;
  /** Stored under another name, or in another shape: `from -> to`. */
  readonly mapped: readonly string[];
  /** Stored names that the model has no place for. */
  readonly skipped: readonly string[];
  /** Weights that are not stored and may be missing. */
  readonly fresh: readonly string[];
  /** What keeps them from fitting, each with the name and both shapes. */
  readonly misfits: readonly string[];
  /** Settings of the model that no shape shows and that differ, each with both values. */
  readonly differences: readonly string[];
}

/** How stored tensors of an optimizer fit a model's weights. */
export interface OptimizerMatch {
  /** By the model's names, as `Optimizer.importState` takes them. */
  readonly found: ReadonlyMap<string, StoredTensor>;
  /** The numbers, those of a weight by its name in the model. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Weights without any: they start fresh. */
  readonly fresh: readonly string[];
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
  /** @param parts.plugin returns the name of the plugin that is the model */
  ignoredTargets(parts: { model: Model; plugin: () => string; warn: (line: string) => void }): IgnoredTargets;
  /** Computes cross-entropy with weights, and loss terms, in one forward pass; `model.loss` is not called. */
  lossParts(model: Model, inputs: PassInputs, terms: readonly LossTerm[], pass?: TrainingPass): LossParts;
  /** Finds the stored tensor of each weight, as the model says. */
  matchWeights(model: MatchableModel, stored: StoredWeights): WeightMatch;
  /** Finds the optimizer's tensors and numbers of each weight where the weight itself comes from. */
  matchOptimizer(
    optimizer: Pick<LoadedCheckpoint['optimizer'], 'tensors' | 'scalars'>,
    sources: ReadonlyMap<string, WeightSource>,
    parameters: WeightShapes,
  ): OptimizerMatch;
}
