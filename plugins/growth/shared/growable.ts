import { token, type Carry, type RandomStream } from '../../../core/index.js';

/**
 * A change of a model's shape. Layers are named `attn.N`, `mlp.N`, `ln_1.N`, `ln_2.N`, `wte`, `wpe`, `ln_f` and
 * `lm_head`.
 */
export type GrowthStep =
  /** `layers` lists the blocks of the new model, each by the index of the old block it copies. */
  | { readonly kind: 'stack_layers'; readonly layers: readonly number[] }
  /** `noise` is the standard deviation of what is added to the weights of new units. */
  | { readonly kind: 'widen_mlp'; readonly hidden: number; readonly noise: number }
  /**
   * Rank 0 merges the low-rank term into the weights and removes it. `attn` stands for the attention of every block.
   */
  | { readonly kind: 'set_lora_rank'; readonly layer: string; readonly rank: number }
  | { readonly kind: 'merge_lora' }
  /**
   * `rows` [size] is the old row that each token's new row is copied from; `kept` whether that was the token's own row.
   */
  | {
      readonly kind: 'resize_vocabulary';
      readonly rows: readonly number[];
      readonly kept: readonly boolean[];
      readonly noise: number;
    }
  | { readonly kind: 'freeze'; readonly layer: string; readonly frozen: boolean }
  /** Train the embeddings alone, or everything that is not frozen again. */
  | { readonly kind: 'embeddings_only'; readonly on: boolean };

/** Number of parameters of a shape, and a one-line description. */
export interface ArchitectureFacts {
  readonly parameters: number;
  readonly trainable: number;
  readonly description: string;
}

/** A model whose shape can change while it trains; bound by model plugins that support it. */
export interface Growable {
  /** Returns the shape that the config describes, as JSON. @param vocabSize of the data, if it is known */
  initialArchitecture(vocabSize: number | undefined): unknown;
  /** Returns the shape after a step. @throws UsageError when the step is impossible for this shape */
  planned(architecture: unknown, step: GrowthStep): unknown;
  facts(architecture: unknown): ArchitectureFacts;
  /**
   * Applies a step, whole or not at all.
   * @returns for each trained weight, where its optimizer state comes from; weights that are missing start with none
   */
  grow(step: GrowthStep, random: RandomStream): ReadonlyMap<string, Carry>;
}
export const Growable = token<Growable>('Growable');

/** A shrunken vocabulary, which can grow back; bound by the plugin that shrinks it. */
export interface ShrunkenVocabulary {
  readonly mode: 'shrunken' | 'resized' | 'off';
  /** Returns the row of the shrunken model that stands for each token, [whole vocabulary]. */
  rows(): Int32Array;
  /**
   * Call once the model has a row for every token: kept tokens are served under their own ids, the others as `rareAs`.
   */
  resized(rareAs: number): void;
  /** Stops remapping: every token is served under its own id. */
  disable(): void;
}
export const ShrunkenVocabulary = token<ShrunkenVocabulary>('ShrunkenVocabulary');
