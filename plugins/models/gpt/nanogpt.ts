import type { StoredTensor } from '../../../core/index.js';
import type { PlainModel, WrittenModel } from '../weights/formats.js';
import { transposed } from '../weights/layout.js';
import { isProjection } from './format.js';

/**
 * Converts a model to nanoGPT's names and layout, with its `model_args`. @throws Error for a model of another plugin
 */
export function nanoGptModel({ description, weights }: PlainModel): WrittenModel {
  if (description['model_type'] !== 'gpt2') throw new Error('it is not a GPT-2, the only model of nanoGPT');
  const turned = [...weights].map(([name, tensor]): [string, StoredTensor] => [
    name,
    isProjection(name) ? transposed(tensor) : tensor,
  ]);
  const { n_layer, n_head, n_embd, n_positions, vocab_size, bias, resid_pdrop } = description;
  const config = { n_layer, n_head, n_embd, block_size: n_positions, bias, vocab_size, dropout: resid_pdrop };
  return { config: { model_args: config }, weights: new Map(turned), notes: [] };
}
