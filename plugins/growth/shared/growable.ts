import { token, type Carry, type RandomStream } from '../../../core/index.js';

/** A change of a model's shape. Layers have the names `attn.N`, `mlp.N`, `ln_1.N`, `ln_2.N`, `wte`, `wpe`, `ln_f`, `lm_head`. */
export type GrowthStep =
  /** The blocks of the new model, each a copy of a block of the old one. */
  | { readonly kind: 'stack_layers'; readonly layers: readonly number[] }
  /** @param noise deviation of what is added to the weights of new units */
  | { readonly kind: 'widen_mlp'; readonly hidden: number; readonly noise: number }
  /** Rank 0 takes the low-rank term away; what it had learned is merged first. `attn`: that of every block. */
  | { readonly kind: 'set_lora_rank'; readonly layer: string; readonly rank: number }
  | { readonly kind: 'merge_lora' }
  /** @param rows [size]: the old row that each new token starts from; @param kept whether it is that token's own */
  | {
      readonly kind: 'resize_vocabulary';
      readonly rows: readonly number[];
      readonly kept: readonly boolean[];
      readonly noise: number;
    }
  | { readonly kind: 'freeze'; readonly layer: string; readonly frozen: boolean }
  /** Train the embeddings alone, or everything that is not frozen again. */
  | { readonly kind: 'embeddings_only'; readonly on: boolean };

/** Parameters of a shape, and one line that describes it. */
export interface ArchitectureFacts {
  readonly parameters: number;
  readonly trainable: number;
  readonly description: string;
}

/** A model whose shape changes while it trains; bound by model plugins that can. */
export interface Growable {
  /** The shape that the config describes, JSON. @param vocabSize the data's, where it is known */
  initialArchitecture(vocabSize: number | undefined): unknown;
  /** What a step makes of a shape. @throws UsageError when it is impossible there */
  planned(architecture: unknown, step: GrowthStep): unknown;
  facts(architecture: unknown): ArchitectureFacts;
  /**
   * Does it: all or nothing.
   * @returns by weight that is trained now, where its optimizer state comes from; those that are missing start anew
   */
  grow(step: GrowthStep, random: RandomStream): ReadonlyMap<string, Carry>;
}
export const Growable = token<Growable>('Growable');

/** A vocabulary that was shrunken, and can grow back; bound by the plugin that shrinks it. */
export interface ShrunkenVocabulary {
  readonly mode: 'shrunken' | 'resized' | 'off';
  /** [whole vocabulary]: the row of the shrunken model that stood for each token. */
  rows(): Int32Array;
  /** The model has a row for every token now: kept ones are served under their own ids, the others as `rareAs`. */
  resized(rareAs: number): void;
  /** Tokens are served as they are from now on. */
  disable(): void;
}
export const ShrunkenVocabulary = token<ShrunkenVocabulary>('ShrunkenVocabulary');
