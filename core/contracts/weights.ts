import type { StoredTensor } from './checkpoint-store.js';

/** Where a weight of a model comes from among stored ones. */
export interface WeightSource {
  /** Its name there. */
  readonly stored: string;
  /**
   * Brings a stored tensor of the weight, its values or a moment of the optimizer, into the weight's shape; undefined where
   * it does not fit. When not given, the shapes must be equal.
   */
  readonly fit?: (tensor: StoredTensor) => StoredTensor | undefined;
}

/** How a model finds its weights among stored ones. */
export interface WeightSources {
  /** By the model's names. What is missing here is missing there. */
  readonly sources: ReadonlyMap<string, WeightSource>;
  /** Names of weights that may be missing: they start as new ones do. */
  readonly optional?: readonly string[];
  /**
   * Keys of `Model.description` without which the same weights compute something else and that no weight's shape shows,
   * such as the number of heads. When not given: every key but those of the vocabulary and of dropout.
   */
  readonly decisive?: readonly string[];
}
