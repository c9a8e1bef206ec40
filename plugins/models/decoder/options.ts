import { z } from 'zod';
import type { Activation } from '../../ops/contract.js';

/** Repeated here, because importing the operations would load TensorFlow.js into threads that only read a config. */
export const ACTIVATIONS = ['gelu', 'gelu_tanh', 'silu', 'relu', 'relu2'] as const satisfies readonly Activation[];

/** Options for the sizes of decoders. */
export const sizes = {
  n_layer: z
    .int()
    .min(1)
    .default(4)
    .describe('blocks')
    .meta({ aka: ['depth', 'layers', 'n_layers', 'num_hidden_layers', 'num_layers'] }),
  n_head: z
    .int()
    .min(1)
    .default(4)
    .describe('attention heads; divides n_embd')
    .meta({ aka: ['heads', 'n_heads', 'num_attention_heads', 'num_heads'] }),
  n_embd: z
    .int()
    .min(1)
    .default(128)
    .describe('width')
    .meta({ aka: ['d_model', 'dim', 'embed_dim', 'hidden_size', 'width'] }),
  block_size: z
    .int()
    .min(1)
    .default(64)
    .describe('context length in tokens')
    .meta({
      aka: [
        'context',
        'context_length',
        'ctx',
        'max_seq_len',
        'n_ctx',
        'n_positions',
        'seq_len',
        'seq_length',
        'sequence_length',
      ],
    }),
};

export const dropout = z
  .number()
  .min(0)
  .lt(1)
  .default(0)
  .describe('share of activations set to 0 in training')
  .meta({ resume: 'free' });

export const rotaryBase = z.number().gt(0).default(10000).describe('base of the rotary frequencies');

/** LoRA options that every decoder has. */
export const attnLoraRank = z.int().min(0).default(0).describe('rank of LoRA on queries, keys and values; 0: none');

export const embeddingLoraRank = z
  .int()
  .min(0)
  .default(0)
  .describe('rank of LoRA on the token embedding; 0: none')
  .meta({ aka: ['embedding_rank'] });

/** Options that follow LoRA's ranks. */
export const trainedOptions = {
  lora_alpha: z.number().gt(0).default(1).describe('LoRA’s term is scaled by alpha / rank'),
  trained: z
    .enum(['all', 'lora', 'embeddings'])
    .default('all')
    .describe('what to train: everything not frozen, only LoRA’s terms, or only the embeddings'),
  vocab_size: z.int().min(1).nullable().default(null).describe('size of the vocabulary; null: the data’s'),
};

/** Reports an error at one of the options. */
export type Refuse = (key: string, input: unknown, message: string) => void;

/** Checks LoRA's ranks against each other and against the width. @param ranks by key, `attn_lora_rank` first */
export function checkRanks(
  { n_embd: width, trained }: { n_embd: number; trained: string },
  ranks: Readonly<Record<string, number>>,
  refuse: Refuse,
): void {
  const keys = Object.keys(ranks);
  if (trained === 'lora' && Object.values(ranks).every((rank) => rank === 0)) {
    refuse(keys[0] ?? '', 0, `trained: lora needs a rank: set ${keys.join(', or ')}`);
  }
  for (const [key, rank] of Object.entries(ranks)) {
    if (rank > width) refuse(key, rank, `${key} ${String(rank)} is over n_embd ${String(width)}`);
  }
}
