import { z } from 'zod';
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

export const gptOptions = z
  .strictObject({
    ...sizes,
    n_hidden: z.int().min(1).nullable().default(null).describe('width of the MLP; null: 4 · n_embd'),
    bias: z.boolean().default(false).describe('biases in linear layers and layer norms'),
    dropout,
    activation: z
      .enum(ACTIVATIONS)
      .default('gelu')
      .describe('activation of the MLP: exact GELU, GPT-2’s tanh form, SiLU (Swish), ReLU, or its square'),
    rotary: z
      .boolean()
      .default(false)
      .describe('rotary positions instead of learned ones')
      .meta({ aka: ['use_rotary_embeddings'] }),
    rotary_base: rotaryBase,
    attn_lora_rank: attnLoraRank,
    embedding_lora_rank: embeddingLoraRank,
    ...trainedOptions,
  })
  .meta({ resume: 'fixed' })
  .check((context) => {
    const { n_head: heads, n_embd: width, rotary, attn_lora_rank, embedding_lora_rank } = context.value;
    const refuse: Refuse = (key, input, message) => {
      context.issues.push({ code: 'custom', input, path: [key], message });
    };
    if (width % heads !== 0) {
      refuse('n_head', heads, `must divide n_embd ${String(width)}`);
    } else if (rotary && (width / heads) % 2 !== 0) {
      refuse('n_head', heads, `rotary positions need heads of an even width, not ${String(width / heads)}`);
    }
    checkRanks(context.value, { attn_lora_rank, embedding_lora_rank }, refuse);
  });
export type GptConfig = z.output<typeof gptOptions>;
