import { tf, type MemoryNeed, type PlannedShape } from '../../../core/index.js';
import { architectureOf } from './architecture.js';
import type { GptConfig } from './config.js';
import { isTrainable, weightShapes } from './weights.js';

const BYTES_PER_NUMBER = 4;

/**
 * What a model of these options takes: of its activations, those that every engine keeps for the backward pass (the
 * inputs of a block's products and norms, and the logits; not the attention's weights, which some compute again).
 */
export function memoryNeeded(config: GptConfig, { batchSize, vocabSize }: PlannedShape): MemoryNeed {
  const vocabulary = config.vocab_size ?? vocabSize;
  const { n_layer: layers, n_embd: width, block_size: block, n_hidden } = config;
  const none = counts(config, 0, vocabulary);
  const one = counts(config, 1, vocabulary);
  const perToken = layers * (6 * width + (n_hidden ?? 4 * width)) + vocabulary;
  return {
    weights: none.weights + layers * (one.weights - none.weights),
    trained: none.trained + layers * (one.trained - none.trained),
    activations: batchSize * block * perToken * BYTES_PER_NUMBER,
  };
}

/** Numbers in the weights of a model of so many layers. */
function counts(config: GptConfig, layers: number, vocabulary: number): { weights: number; trained: number } {
  const architecture = architectureOf({ ...config, n_layer: layers }, vocabulary);
  const sizes = weightShapes(config, architecture).map(([name, { shape }]) => {
    const size = tf.util.sizeFromShape(shape);
    return { weights: size, trained: isTrainable(name, architecture) ? size : 0 };
  });
  const sum = (key: 'weights' | 'trained'): number => sizes.reduce((all, each) => all + each[key], 0);
  return { weights: sum('weights'), trained: sum('trained') };
}
