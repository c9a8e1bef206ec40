import { z } from 'zod';

export const gptOptions = z
  .strictObject({
    n_layer: z.int().min(1).default(4).describe('blocks'),
    n_head: z.int().min(1).default(4).describe('attention heads; divides n_embd'),
    n_embd: z.int().min(1).default(128).describe('width'),
    block_size: z.int().min(1).default(64).describe('longest context, in tokens'),
    n_hidden: z.int().min(1).nullable().default(null).describe('width of the MLP; null: 4 · n_embd'),
    bias: z.boolean().default(false).describe('biases in linear layers and layer norms'),
    dropout: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe('share of activations set to 0 while training')
      .meta({ resume: 'free' }),
    activation: z
      .enum(['gelu', 'gelu_tanh'])
      .default('gelu')
      .describe('of the MLP: exact, or the tanh form that GPT-2 was trained with'),
    vocab_size: z.int().min(1).nullable().default(null).describe('size of the vocabulary; null: the data’s'),
  })
  .meta({ resume: 'fixed' })
  .check((context) => {
    const { n_head: heads, n_embd: width } = context.value;
    if (width % heads === 0) return;
    context.issues.push({
      code: 'custom',
      input: heads,
      path: ['n_head'],
      message: `n_head ${String(heads)} must divide n_embd ${String(width)}`,
    });
  });
export type GptConfig = z.output<typeof gptOptions>;
