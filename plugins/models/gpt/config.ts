import { z } from 'zod';
import type { Activation } from '../../ops/contract.js';

/** The operations' own list would bring TensorFlow.js into threads that read a config alone. */
const ACTIVATIONS = ['gelu', 'gelu_tanh', 'silu', 'relu', 'relu2'] as const satisfies readonly Activation[];

export const gptOptions = z
  .strictObject({
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
    n_hidden: z.int().min(1).nullable().default(null).describe('width of the MLP; null: 4 · n_embd'),
    bias: z.boolean().default(false).describe('biases in linear layers and layer norms'),
    dropout: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe('share of activations set to 0 in training')
      .meta({ resume: 'free' }),
    activation: z
      .enum(ACTIVATIONS)
      .default('gelu')
      .describe('activation of the MLP: exact GELU, GPT-2’s tanh form, SiLU (Swish), ReLU, or its square'),
    rotary: z
      .boolean()
      .default(false)
      .describe('rotary positions instead of learned ones')
      .meta({ aka: ['use_rotary_embeddings'] }),
    rotary_base: z.number().gt(0).default(10000).describe('base of the rotary frequencies'),
    attn_lora_rank: z.int().min(0).default(0).describe('rank of LoRA on queries, keys and values; 0: none'),
    embedding_lora_rank: z
      .int()
      .min(0)
      .default(0)
      .describe('rank of LoRA on the token embedding; 0: none')
      .meta({ aka: ['embedding_rank'] }),
    lora_alpha: z.number().gt(0).default(1).describe('LoRA’s term is scaled by alpha / rank'),
    trained: z
      .enum(['all', 'lora', 'embeddings'])
      .default('all')
      .describe('what to train: everything not frozen, only LoRA’s terms, or only the embeddings'),
    vocab_size: z.int().min(1).nullable().default(null).describe('size of the vocabulary; null: the data’s'),
  })
  .meta({ resume: 'fixed' })
  .check((context) => {
    const { n_head: heads, n_embd: width, rotary, attn_lora_rank, embedding_lora_rank } = context.value;
    const refuse = (key: string, input: number, message: string): void => {
      context.issues.push({ code: 'custom', input, path: [key], message });
    };
    if (width % heads !== 0) {
      refuse('n_head', heads, `n_head ${String(heads)} must divide n_embd ${String(width)}`);
    } else if (rotary && (width / heads) % 2 !== 0) {
      refuse('n_head', heads, `rotary positions need heads of an even width, not ${String(width / heads)}`);
    }
    if (context.value.trained === 'lora' && attn_lora_rank + embedding_lora_rank === 0) {
      refuse('attn_lora_rank', 0, 'trained: lora needs a rank: set attn_lora_rank, or embedding_lora_rank');
    }
    for (const [key, rank] of Object.entries({ attn_lora_rank, embedding_lora_rank })) {
      if (rank > width) refuse(key, rank, `${key} ${String(rank)} is over n_embd ${String(width)}`);
    }
  });
export type GptConfig = z.output<typeof gptOptions>;
