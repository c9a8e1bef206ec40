import type { ComposedConfig } from '../config/composed.js';
import type { FoundPlugin } from '../families/resolve.js';
import type { StoredTensor } from './checkpoint-store.js';
import type { Model } from './model.js';

/** Weights under a model's names. */
export interface PretrainedWeights {
  /** The file or folder that they were read from. */
  readonly path: string;
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** How they were changed on the way, for the log. */
  readonly notes: readonly string[];
}

/** A config, and the weights that its `init` names. */
export interface Pretrained {
  /** With the options that the model must have for the weights. */
  readonly composed: ComposedConfig;
  /** Reads the weights; missing if `init` names none. @throws UsageError if they cannot be read, with what to do */
  readonly read?: (model: Model) => Promise<PretrainedWeights>;
}

/** Weights of other programs. The family that knows them exports one as `provided` in `provides/pretrained.ts`. */
export interface PretrainedModels {
  /**
   * Finds the weights that a config's `init` names.
   * @param request.classes plugins that are given as classes, by name
   * @param request.download called with lines of progress while downloading; without it nothing is downloaded
   * @throws UsageError for a value of the user's that the weights contradict, naming both places
   */
  find(
    composed: ComposedConfig,
    request: {
      readonly cwd: string;
      readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
      readonly download?: ((line: string) => void) | undefined;
    },
  ): Promise<Pretrained>;
}
