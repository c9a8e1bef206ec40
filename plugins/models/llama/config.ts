import { z } from 'zod';
import type { HeadSizes } from '../../ops/contract.js';
import {
  ACTIVATIONS,
  attnLoraRank,
  checkRanks,
  dropout,
  embeddingLoraRank,
  rotaryBase,
  sizes,
  trainedOptions,
  type Refuse,
} from '../decoder/options.js';

const rank = z.int().min(0).default(0);
const positive = z.number().gt(0);

export const llamaOptions = z
  .strictObject({
    ...sizes,
    n_head: sizes.n_head.describe('attention heads; divides n_embd where head_dim is null'),
    n_kv_head: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('heads of keys and values; divides n_head; null: n_head')
      .meta({ aka: ['kv_heads', 'n_kv_heads', 'num_key_value_heads', 'num_kv_heads'] }),
    head_dim: z.int().min(2).nullable().default(null).describe('width of a head; null: n_embd / n_head'),
    n_hidden: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('width of the MLP; null: 8/3 · n_embd, rounded up to a multiple of 8')
      .meta({ aka: ['ffn_dim', 'intermediate_size'] }),
    norm_epsilon: positive
      .default(1e-5)
      .describe('added to the mean square in RMSNorm')
      .meta({ aka: ['norm_eps', 'rms_norm_eps'] }),
    rotary_base: rotaryBase.meta({ aka: ['rope_theta'] }),
    rotary_scaling: z
      .strictObject({
        factor: positive.describe('what low frequencies are divided by'),
        low_freq_factor: positive.describe('turns within the original block below which a frequency is low'),
        high_freq_factor: positive.describe('turns within the original block above which a frequency stays'),
        original_block_size: z.int().min(1).describe('block size before the scaling'),
      })
      .nullable()
      .default(null)
      .describe('Llama 3’s scaling of the rotary frequencies; null: none'),
    tied: z
      .boolean()
      .default(true)
      .describe('the output head is the token embedding')
      .meta({ aka: ['tie_embeddings', 'tie_word_embeddings'] }),
    qk_norm: z.boolean().default(false).describe('RMSNorm of each head’s queries and keys, as in Qwen 3'),
    qkv_bias: z.boolean().default(false).describe('biases of queries, keys and values, as in Qwen 2'),
    output_bias: z.boolean().default(false).describe('bias of the attention’s output'),
    mlp_bias: z.boolean().default(false).describe('biases in the MLP'),
    activation: z.enum(ACTIVATIONS).default('silu').describe('activation of the MLP’s gate'),
    dropout,
    attn_lora_rank: attnLoraRank,
    output_lora_rank: rank.describe('rank of LoRA on the attention’s output; 0: none'),
    mlp_lora_rank: rank.describe('rank of LoRA on each matrix of the MLP; 0: none'),
    embedding_lora_rank: embeddingLoraRank,
    ...trainedOptions,
  })
  .meta({ resume: 'fixed' })
  .check((context) => {
    const config = context.value;
    const { n_head, n_kv_head, n_embd, head_dim, rotary_scaling } = config;
    const refuse: Refuse = (key, input, message) => {
      context.issues.push({ code: 'custom', input, path: [key], message });
    };
    if (head_dim === null && n_embd % n_head !== 0) {
      refuse('n_head', n_head, `must divide n_embd ${String(n_embd)}; or set head_dim`);
    } else if (headsOf(config).headDim % 2 !== 0) {
      const key = head_dim === null ? 'n_head' : 'head_dim';
      refuse(key, config[key], `rotary positions need heads of an even width, not ${String(headsOf(config).headDim)}`);
    }
    if (n_kv_head !== null && n_head % n_kv_head !== 0) {
      refuse('n_kv_head', n_kv_head, `n_kv_head ${String(n_kv_head)} must divide n_head ${String(n_head)}`);
    }
    if (rotary_scaling !== null && rotary_scaling.low_freq_factor >= rotary_scaling.high_freq_factor) {
      refuse('rotary_scaling', rotary_scaling, 'low_freq_factor must be below high_freq_factor');
    }
    const { attn_lora_rank, output_lora_rank, mlp_lora_rank, embedding_lora_rank } = config;
    checkRanks(config, { attn_lora_rank, output_lora_rank, mlp_lora_rank, embedding_lora_rank }, refuse);
  });
export type LlamaConfig = z.output<typeof llamaOptions>;

/** Returns the heads that the options describe. */
export function headsOf({
  n_head,
  n_kv_head,
  head_dim,
  n_embd,
}: Pick<LlamaConfig, 'n_head' | 'n_kv_head' | 'head_dim' | 'n_embd'>): HeadSizes {
  return { heads: n_head, keyValueHeads: n_kv_head ?? n_head, headDim: head_dim ?? n_embd / n_head };
}

/**
 * Returns 8/3 of the width, rounded up to a multiple of 8. Source: Shazeer, "GLU variants improve transformer", 2020,
 * section 3.1.
 */
export function hiddenOf({ n_hidden, n_embd }: Pick<LlamaConfig, 'n_hidden' | 'n_embd'>): number {
  return n_hidden ?? 8 * Math.ceil(n_embd / 3);
}
