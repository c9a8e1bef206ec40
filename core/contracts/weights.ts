import type { StoredTensor } from './checkpoint-store.js';
import type { Model } from './model.js';

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

/** Weights under a model's names. */
export interface PretrainedWeights {
  /** The file or folder that they were read from. */
  readonly path: string;
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** What was done to them on the way, for the log. */
  readonly notes: readonly string[];
}

/** What the config says of an option of `model`. */
export interface GivenOption {
  readonly value: unknown;
  /** Where the user wrote it, as errors name it; undefined for what a preset or a default says. */
  readonly place: string | undefined;
}

/** Weights of another program that a model can start from. */
export interface PretrainedModel {
  /** Where its shape is from, as `explain` shows it; `file` is an absolute path. */
  readonly origin: { readonly source: string; readonly file?: string };
  /**
   * Options that `model` must have for the weights, of those that the config gives otherwise.
   * @param given what the config says of an option
   * @throws UsageError for a value of the user's that the weights contradict, naming both places
   */
  options(given: (option: string) => GivenOption): Record<string, unknown>;
  /** Reads the weights. @throws UsageError where they cannot be read, with what to do */
  read(model: Model): Promise<PretrainedWeights>;
}

/**
 * A format of weights that a run can start from: a plugin lists its own in `static weightFormats`, and the config's `init`
 * names weights to whichever plugin of the config knows them.
 */
export interface WeightFormat {
  /**
   * The model that `init` names; undefined where it names none of this format.
   * @param request.cwd the folder that paths are relative to
   * @param request.download called with lines of progress; when not given, nothing is downloaded, and the model may be
   *   one that is not on this machine yet
   * @throws UsageError for weights of this format that cannot be used, with what to do
   */
  find(
    init: string,
    request: { readonly cwd: string; readonly download?: ((line: string) => void) | undefined },
  ): Promise<PretrainedModel | undefined>;
}
