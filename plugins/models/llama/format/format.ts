import type { WeightFormat } from '../../weights/formats.js';
import { llamaAdapters } from '../adapter-layout.js';
import { readConfig } from './config.js';
import { toPlugin } from './weights.js';
import { writtenModel } from './written.js';

const TYPES: readonly unknown[] = ['llama', 'mistral', 'qwen2', 'qwen3'];

/** Llama, Mistral, Qwen 2 and Qwen 3 as in Hugging Face's transformers. */
export const huggingFaceLlama: WeightFormat = {
  name: 'Llama',
  use: 'llama',
  names: {
    root: 'model.',
    body: /^(?:embed_tokens|norm|layers\.\d+)\./,
    embedding: 'embed_tokens.weight',
    head: 'lm_head.weight',
    buffers: { what: 'rotary frequencies', is: (name) => /(?:^|\.)rotary_emb\.inv_freq$/.test(name) },
  },
  lora: llamaAdapters,
  recognizes: ({ model_type }) => TYPES.includes(model_type),
  read(described) {
    const { options, alike, block, tied, ...heads } = readConfig(described);
    return { options, alike, block, tied, weights: (tensors) => toPlugin(tensors, heads) };
  },
  write: writtenModel,
};
