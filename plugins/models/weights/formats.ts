import type { StoredTensor } from '../../../core/index.js';
import type { AdapterLayout } from '../adapters/layout.js';

/** Keys and values of a `config.json`, or options of a model plugin. */
export type Described = Readonly<Record<string, unknown>>;

/**
 * A format of weights that a run can start from and a checkpoint can be exported to: a folder with a `config.json` and
 * safetensors, as Hugging Face's transformers write it. A family or package exports one as `format` of
 * `formats/NAME.ts`; a model class lists its own in `static weightFormats`.
 */
export interface WeightFormat {
  /** Name of its models in errors: `GPT-2`. */
  readonly name: string;
  /** The model plugin that the weights are for, by its name in configs. Formats of a class are for that class. */
  readonly use: string;
  /** Naming of its tensors; without it, names are used as they are. */
  readonly names?: TensorNames;
  /** Returns true for the `config.json` of its models. */
  recognizes(config: Described): boolean;
  /**
   * Reads a `config.json`.
   * @throws Error or ZodError for a model that the plugin does not support, naming the key
   */
  read(config: Described): ReadableModel;
  /**
   * Optional. Converts a model to the format's files.
   * @throws Error for a model that the format cannot express
   */
  write?(model: PlainModel): WrittenModel;
  /** Optional. Layout of LoRA adapters for its models; without it, adapters are neither read nor written. */
  readonly lora?: AdapterLayout;
}

/** How tensor names in files are composed. */
export interface TensorNames {
  /** Prefix of all names except the head's: `transformer.`. Files may omit it. */
  readonly root: string;
  /** Matches the start of the names after the root. */
  readonly body: RegExp;
  /** The token embedding, after the root. */
  readonly embedding: string;
  /** The output head, without the root. */
  readonly head: string;
  /** Optional. Tensors that are not weights, which are skipped with a note. */
  readonly buffers?: {
    /** What they are, for the note: `causal masks`. */
    readonly what: string;
    /** @param name after the root */
    is(name: string, shape: readonly number[]): boolean;
  };
}

/** The contents of a `config.json`. */
export interface ReadableModel {
  /** The options that the plugin must have for the weights, except `block_size`. */
  readonly options: Described;
  /** By option: other values with the same meaning, which a config may have instead. */
  readonly alike?: Readonly<Record<string, readonly unknown[]>>;
  /** Optional. The allowed values of `block_size`. */
  readonly block?: BlockSizes;
  /**
   * Optional. True if embedding and head are one matrix; a head in the files is then skipped, or refused if it differs.
   */
  readonly tied?: boolean;
  /**
   * Returns the weights under the plugin's names and in its layouts. Unknown tensors stay unchanged, and are then
   * refused by their name in the file.
   * @param tensors by the names of `WeightFormat.names`; removing one frees its memory
   * @param model the model that they are for
   * @throws Error for tensors that do not fit together
   */
  weights(tensors: Map<string, StoredTensor>, model: { readonly blockSize: number }): Map<string, StoredTensor>;
}

/** Context lengths, in tokens. */
export interface BlockSizes {
  /** Used if the config sets none. */
  readonly default: number;
  readonly most: number;
  /** The limit as errors show it: `24 positions`. */
  readonly what: string;
}

/** A checkpoint's model, with LoRA merged in. */
export interface PlainModel {
  /** The checkpoint's `config.json`, without LoRA's scale. */
  readonly description: Described;
  /** The model plugin's options in the checkpoint's config. Growth changes only the description. */
  readonly options: Described;
  /** By the plugin's names. */
  readonly weights: ReadonlyMap<string, StoredTensor>;
}

/** A model as stored in a format's files. */
export interface WrittenModel {
  /** The content of `config.json`. */
  readonly config: Described;
  /** With the names and layouts of the files. */
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** Log lines on differences from the checkpoint. */
  readonly notes: readonly string[];
}
