import { z } from 'zod';
import type { StoredTensor } from '../../../core/index.js';
import { activationOf, HUGGING_FACE_ACTIVATIONS } from '../weights/activations.js';
import type { PlainModel, ReadableModel, TensorNames, WeightFormat, WrittenModel } from '../weights/formats.js';
import { rowsOf, transposed, zeros } from '../weights/layout.js';
import { gptAdapters } from './adapter-layout.js';

const POSITIONS = 'transformer.wpe.weight';
/** Constants that transformers stores next to the weights: the causal mask and the value of masked scores. */
const MASK = /^h\.\d+\.attn\.(?:bias|masked_bias)$/;
/** Matrices that are [in, out] in Hugging Face's GPT-2 but [out, in] in nanoGPT, which uses `nn.Linear`. */
const PROJECTION = /\.(?:attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/;
const NORM = /\.ln_\w+\.weight$/;

const configSchema = z.looseObject({
  vocab_size: z.int().min(1),
  n_positions: z.int().min(1),
  n_embd: z.int().min(1),
  n_layer: z.int().min(1),
  n_head: z.int().min(1),
  n_inner: z.int().min(1).nullish(),
  activation_function: z.enum(HUGGING_FACE_ACTIVATIONS).default('gelu_new'),
  layer_norm_epsilon: z.literal(1e-5).default(1e-5),
  scale_attn_weights: z.literal(true).default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
  tie_word_embeddings: z
    .literal(
      true,
      'false: this model has one matrix for embedding and output head; tie them, and train that model again',
    )
    .default(true),
  bias: z.boolean().default(true),
});

const names: TensorNames = {
  root: 'transformer.',
  body: /^(?:wte|wpe|ln_f|h\.\d+)\./,
  embedding: 'wte.weight',
  head: 'lm_head.weight',
  buffers: { what: 'causal masks', is: (name, shape) => MASK.test(name) && shape.length !== 1 },
};

/** GPT-2 as in Hugging Face's transformers, also with nanoGPT's [out, in] matrices. */
export const huggingFaceGpt2: WeightFormat = {
  name: 'GPT-2',
  use: 'gpt',
  names,
  recognizes: ({ model_type }) => model_type === 'gpt2',
  read: (config) => readableModel(configSchema.parse(config)),
  write: writtenModel,
  lora: gptAdapters,
};

/** Returns true for a weight that nanoGPT stores transposed. */
export function isProjection(name: string): boolean {
  return PROJECTION.test(name);
}

function readableModel(config: z.output<typeof configSchema>): ReadableModel {
  const { n_layer, n_head, n_embd, n_positions, n_inner, vocab_size, bias, activation_function } = config;
  const hidden = 4 * n_embd;
  return {
    options: {
      n_layer,
      n_head,
      n_embd,
      n_hidden: n_inner ?? null,
      vocab_size,
      bias,
      activation: activationOf(activation_function),
      rotary: false,
    },
    alike: { n_hidden: (n_inner ?? hidden) === hidden ? [hidden, null] : [], vocab_size: [null] },
    block: { default: n_positions, most: n_positions, what: `${String(n_positions)} positions` },
    tied: true,
    weights(tensors, { blockSize }) {
      turn(tensors);
      const positions = tensors.get(POSITIONS);
      const [rows = 0] = positions?.shape ?? [];
      if (positions !== undefined && rows > blockSize) tensors.set(POSITIONS, rowsOf(positions, 0, blockSize));
      return tensors;
    },
  };
}

/** Transposes all matrices if the first one is transposed. */
function turn(tensors: Map<string, StoredTensor>): void {
  const [, first] = [...tensors].find(([name]) => name.endsWith('.attn.c_attn.weight')) ?? [];
  const [rows = 0, columns = 0] = first?.shape ?? [];
  if (rows <= columns) return;
  for (const [name, tensor] of tensors) if (isProjection(name)) tensors.set(name, transposed(tensor));
}

/** transformers' GPT-2 always has biases: those that the model lacks are written as zeros. */
function writtenModel({ description, weights }: PlainModel): WrittenModel {
  if (description['model_type'] !== 'gpt2') {
    throw new Error('it has rotary positions, but Hugging Face’s GPT-2 does not');
  }
  const all = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) {
    all.set(name, tensor);
    const bias = name.replace(/\.weight$/, '.bias');
    if ((isProjection(name) || NORM.test(name)) && !weights.has(bias)) all.set(bias, zeros(tensor.shape.slice(-1)));
  }
  return {
    config: { ...description, bias: true, dtype: 'float32' },
    weights: all,
    notes: all.size === weights.size ? [] : ['biases that the model does not have are written as zeros'],
  };
}
