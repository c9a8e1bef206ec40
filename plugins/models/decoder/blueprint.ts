import type { Architecture } from './architecture.js';
import type { DescribedWeight } from './described.js';

/** The options that decoders have in common; see `options.ts`. */
export interface DecoderConfig {
  readonly n_layer: number;
  readonly n_embd: number;
  readonly block_size: number;
  readonly vocab_size: number | null;
  readonly dropout: number;
  readonly trained: Architecture['trained'];
  readonly attn_lora_rank: number;
  readonly embedding_lora_rank: number;
  readonly lora_alpha: number;
  /** Undefined for a model that has no LoRA there. */
  readonly output_lora_rank?: number;
  readonly mlp_lora_rank?: number;
}

/** What tells one decoder from another, apart from its forward pass. */
export interface Blueprint {
  readonly config: DecoderConfig;
  /** Width of the MLP at first. */
  readonly hidden: number;
  /** Width of the queries of all heads. */
  readonly attended: number;
  /** The layer whose table is the output head: `wte` if it is tied. */
  readonly head: 'wte' | 'lm_head';
  /** Every weight of a shape, in their order. */
  readonly weights: (of: Architecture) => DescribedWeight[];
  /** Numbers that a block keeps of a token for the backward pass. */
  readonly kept: {
    /** On every engine: the inputs of products and norms; not the attention's weights, which some compute again. */
    readonly least: (hidden: number) => number;
    /** Roughly, with the attention's weights. */
    readonly most: (hidden: number) => number;
  };
}
