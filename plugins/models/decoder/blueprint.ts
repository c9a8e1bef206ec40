import type { Architecture } from './architecture.js';
import type { DescribedWeight } from './described.js';

/** The options that all decoders have; see `options.ts`. */
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
  /** Undefined for a model that supports no LoRA there. */
  readonly output_lora_rank?: number;
  readonly mlp_lora_rank?: number;
}

/** What distinguishes one decoder from another, apart from its forward pass. */
export interface Blueprint {
  readonly config: DecoderConfig;
  /** Initial width of the MLP. */
  readonly hidden: number;
  /** Total width of the queries of all heads. */
  readonly attended: number;
  /** The layer whose table is the output head: `wte` if tied. */
  readonly head: 'wte' | 'lm_head';
  /** Returns every weight of a shape, in order. */
  readonly weights: (of: Architecture) => DescribedWeight[];
  /** Floats that a block keeps per token for the backward pass. */
  readonly kept: {
    /**
     * Lower bound for every engine: inputs of products and norms, without attention weights, which some engines
     * recompute.
     */
    readonly least: (hidden: number) => number;
    /** Rough estimate, with attention weights. */
    readonly most: (hidden: number) => number;
  };
}
