import type { ComposedConfig } from '../config/composed.js';
import type { FoundPlugin } from '../families/load.js';
import type { StoredTensor } from './checkpoint-store.js';
import type { Model } from './model.js';

/** Weights under a model's names. */
export interface PretrainedWeights {
  /** The file or folder that they were read from. */
  readonly path: string;
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** Log lines on how the weights were converted. */
  readonly notes: readonly string[];
}

/** A config, with the weights that its `init` names. */
export interface Pretrained {
  /** The config with the model options that the weights require. */
  readonly composed: ComposedConfig;
  /** Reads the weights; missing if `init` names none. @throws UsageError if they cannot be read, with what to do */
  readonly read?: (model: Model) => Promise<PretrainedWeights>;
}

/** Weights of other programs. A family implements it as `provided` in `provides/pretrained.ts`. */
export interface PretrainedModels {
  /**
   * Finds the weights that a config's `init` names.
   * @param request.classes plugins given as classes, by name
   * @param request.download called with progress lines while downloading; without it, nothing is downloaded
   * @throws UsageError if the weights contradict a value that the user set, naming both places
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
