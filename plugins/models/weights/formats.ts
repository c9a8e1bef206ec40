import type { StoredTensor } from '../../../core/index.js';
import type { AdapterLayout } from '../adapters/layout.js';

/** Keys and values: a model's `config.json`, or options of its plugin. */
export type Described = Readonly<Record<string, unknown>>;

/**
 * A format of weights that a run can start from and a checkpoint can be exported to: a folder with a `config.json` and
 * safetensors, as Hugging Face's transformers write them. A family or a package has one in `formats/NAME.ts`, exported as
 * `format`; the class of a model has its own in `static weightFormats`.
 */
export interface WeightFormat {
  /** What errors call its models: `GPT-2`. */
  readonly name: string;
  /** The model plugin that the weights are for, as configs name it. A class's own formats are for that class. */
  readonly use: string;
  /** What its tensors are called; without it, names are taken as they are. */
  readonly names?: TensorNames;
  /** Returns true for the `config.json` of its models. */
  recognizes(config: Described): boolean;
  /**
   * Reads a `config.json`.
   * @throws Error or ZodError for a model that the plugin cannot be, naming the key
   */
  read(config: Described): ReadableModel;
  /**
   * Optional. Returns a model as the format's files have it.
   * @throws Error for a model that the format has no place for
   */
  write?(model: PlainModel): WrittenModel;
  /** Optional. Where LoRA adapters of its models belong; without it, none are read or written. */
  readonly lora?: AdapterLayout;
}

/** How names in files are put together. */
export interface TensorNames {
  /** In front of the names of all but the head: `transformer.`. A file may leave it out. */
  readonly root: string;
  /** Starts of the names behind it. */
  readonly body: RegExp;
  /** The token embedding, behind the root. */
  readonly embedding: string;
  /** The output head, without a root. */
  readonly head: string;
  /** Optional. Tensors that are no weights, and are left out with a note. */
  readonly buffers?: {
    /** What they are, for the note: `causal masks`. */
    readonly what: string;
    /** @param name behind the root */
    is(name: string, shape: readonly number[]): boolean;
  };
}

/** What a `config.json` says. */
export interface ReadableModel {
  /** The options that the plugin must have for the weights, but for `block_size`. */
  readonly options: Described;
  /** By option: other values that mean the same, which a config may have. */
  readonly alike?: Readonly<Record<string, readonly unknown[]>>;
  /** Optional. The values that `block_size` may have. */
  readonly block?: BlockSizes;
  /**
   * Optional. True: embedding and head are one matrix, and a head in the files is left out, or refused where it differs.
   */
  readonly tied?: boolean;
  /**
   * Returns the weights under the plugin's names and in its layouts. A tensor that the format does not know stays as it is:
   * it is refused by its name in the file.
   * @param tensors by the names of `WeightFormat.names`; they may be taken out, which frees their memory
   * @param model the model that they are for
   * @throws Error for tensors that do not go together
   */
  weights(tensors: Map<string, StoredTensor>, model: { readonly blockSize: number }): Map<string, StoredTensor>;
}

/** Lengths of a context, in tokens. */
export interface BlockSizes {
  /** What a config that does not say gets. */
  readonly default: number;
  readonly most: number;
  /** What the model has so many of, for errors: `24 positions`. */
  readonly what: string;
}

/** A model of a checkpoint, LoRA merged in. */
export interface PlainModel {
  /** The `config.json` of the checkpoint, without LoRA's scale. */
  readonly description: Described;
  /** The options of the model's plugin, as the checkpoint's config has them. Growing changes the description alone. */
  readonly options: Described;
  /** Under the plugin's names. */
  readonly weights: ReadonlyMap<string, StoredTensor>;
}

/** A model as a format's files have it. */
export interface WrittenModel {
  /** The content of `config.json`. */
  readonly config: Described;
  /** By the names and in the layouts of the files. */
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** What is other than in the checkpoint, for the log. */
  readonly notes: readonly string[];
}
