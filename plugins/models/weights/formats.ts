import type { Model } from '../../../core/index.js';
import type { PretrainedWeights } from '../../../core/runs.js';

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
   * Returns the options of `model` that must change for the weights.
   * @param given returns what the config says of an option
   * @throws UsageError for a value of the user's that the weights contradict, naming both places
   */
  options(given: (option: string) => GivenOption): Record<string, unknown>;
  /** Reads the weights. @throws UsageError if they cannot be read, with what to do */
  read(model: Model): Promise<PretrainedWeights>;
}

/**
 * A format of weights that a run can start from. A plugin lists its formats in `static weightFormats`; the first of the
 * config's plugins that knows what `init` names reads it.
 */
export interface WeightFormat {
  /**
   * Finds the model that `init` names; undefined if it names none of this format.
   * @param request.cwd the folder that paths are relative to
   * @param request.download called with lines of progress while downloading; without it nothing is downloaded, and the
   *   model that is returned may not be on this machine yet
   * @throws UsageError for weights of this format that cannot be used, with what to do
   */
  find(
    init: string,
    request: { readonly cwd: string; readonly download?: ((line: string) => void) | undefined },
  ): Promise<PretrainedModel | undefined>;
}
