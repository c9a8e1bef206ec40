import { z } from 'zod';

const count = z.int().min(0);
/** By block; empty if the model supports no such LoRA. */
const ranks = z.array(count);

/** The shape of a model: initially the config's, then changed by growth steps. */
export const architectureSchema = z.strictObject({
  n_layer: z.int().min(1),
  n_hidden: z.int().min(1),
  vocab_size: count,
  attn_lora_rank: ranks,
  output_lora_rank: ranks.default([]),
  mlp_lora_rank: ranks.default([]),
  embedding_lora_rank: count,
  /** Names of frozen layers. */
  frozen: z.array(z.string()),
  trained: z.enum(['all', 'lora', 'embeddings']),
});
export type Architecture = z.output<typeof architectureSchema>;

/** The per-block ranks, with the layer name that growth steps use. */
export const RANKED = [
  ['attn', 'attn_lora_rank'],
  ['output', 'output_lora_rank'],
  ['mlp', 'mlp_lora_rank'],
] as const;

/** Returns true if any layer has LoRA. */
export function hasLora(of: Architecture): boolean {
  return of.embedding_lora_rank > 0 || RANKED.some(([, key]) => of[key].some((rank) => rank > 0));
}
