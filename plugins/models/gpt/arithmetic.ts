import type { Variable } from '@tensorflow/tfjs-core';
import type { GptConfig } from './config.js';

const MULTIPLY_AND_ADD = 2;

/**
 * Each matrix that a token is multiplied by counts once forward, once for the gradient of its input, and once for its
 * own where it is trained. Attention counts the half that is not masked, once forward and twice backward.
 * Chowdhery et al., "PaLM", 2022, appendix B (6N + 12·L·H·Q·T) counts the masked half too, and no frozen weights.
 */
export function flopsPerToken(weights: ReadonlyMap<string, Variable>, config: GptConfig): number {
  let flops = 0;
  let layers = 0;
  for (const [name, { shape, size, trainable }] of weights) {
    if (name.endsWith('.attn.c_attn.weight')) layers++;
    // The token embedding is the output head; positions are only added.
    if (shape.length === 2 && name !== 'transformer.wpe.weight') flops += (trainable ? 3 : 2) * size;
  }
  // Scores and their use: each position sees itself and those before it.
  const attended = layers * 2 * config.n_embd * ((config.block_size + 1) / 2);
  return MULTIPLY_AND_ADD * (flops + 3 * attended);
}
