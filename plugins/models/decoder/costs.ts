import { tf, type MemoryNeed, type ParameterCount, type PlannedShape } from '../../../core/index.js';
import type { ArchitectureFacts } from '../../growth/contract.js';
import type { Architecture } from './architecture.js';
import type { Blueprint } from './blueprint.js';
import { isTrainable, type DescribedWeight } from './described.js';
import { architectureOf } from './plan.js';

const BYTES_PER_NUMBER = 4;
const MULTIPLY_AND_ADD = 2;

/** Returns the parameters of a shape, and a line that describes it. */
export function factsOf(blueprint: Blueprint, of: Architecture): ArchitectureFacts {
  const lora = (what: string, ranks: readonly number[]): string[] => {
    const different = [...new Set(ranks)];
    return different.every((rank) => rank === 0) ? [] : [`${what} rank ${different.map(String).join(' and ')}`];
  };
  const description = [
    `${String(of.n_layer)} layers, MLP ${String(of.n_hidden)} wide, vocabulary ${String(of.vocab_size)}`,
    ...lora('LoRA', of.attn_lora_rank),
    ...lora('output LoRA', of.output_lora_rank),
    ...lora('MLP LoRA', of.mlp_lora_rank),
    ...lora('embedding LoRA', [of.embedding_lora_rank]),
    ...(of.frozen.length === 0 ? [] : [`frozen ${of.frozen.join(' ')}`]),
    ...(of.trained === 'all' ? [] : [`only ${of.trained} trained`]),
  ].join(', ');
  const { weights, trained } = numbersIn(blueprint, of);
  return { parameters: weights, trainable: trained, description };
}

/** Returns the number of parameters by component, in the order of the weights. */
export function countsOf(weights: readonly DescribedWeight[], of: Architecture): ParameterCount[] {
  const counts = new Map<string, ParameterCount>();
  for (const weight of weights) {
    const component = componentOf(weight.layer);
    const count = counts.get(component) ?? { component, total: 0, trainable: 0 };
    count.total += sizeOf(weight);
    if (isTrainable(weight, of)) count.trainable += sizeOf(weight);
    counts.set(component, count);
  }
  return [...counts.values()];
}

/**
 * Returns the floating-point operations per trained token. A matrix product counts once forward, once for the gradient
 * of its input, and once for the gradient of its weight if that is trained. Attention counts only the unmasked half,
 * once forward and twice backward.
 * Chowdhery et al., "PaLM", 2022, appendix B (6N + 12·L·H·Q·T) also counts the masked half, and assumes no frozen
 * weights.
 */
export function flopsPerToken({ config, attended, head, weights }: Blueprint, of: Architecture): number {
  let flops = 0;
  for (const weight of weights(of)) {
    // An embedding is only looked up, unless it is also the head.
    const isProduct = weight.role === 'matrix' || weight.layer === head;
    if (isProduct) flops += (isTrainable(weight, of) ? 3 : 2) * sizeOf(weight);
  }
  // Scores and weighted values: each position attends to itself and those before it.
  const perToken = of.n_layer * 2 * attended * ((config.block_size + 1) / 2);
  return MULTIPLY_AND_ADD * (flops + 3 * perToken);
}

/** Estimates the bytes that a micro-batch holds between forward and backward pass. */
export function activationBytes({ config, kept }: Blueprint, of: Architecture, batchSize: number): number {
  const perToken = of.n_layer * kept.most(of.n_hidden) + 3 * of.vocab_size;
  return batchSize * config.block_size * perToken * BYTES_PER_NUMBER;
}

/** Returns a lower bound of the memory that a model with these options needs. */
export function memoryNeeded(blueprint: Blueprint, { batchSize, vocabSize }: PlannedShape): MemoryNeed {
  const { config, hidden, kept } = blueprint;
  const { n_layer: layers, block_size: block } = config;
  const vocabulary = config.vocab_size ?? vocabSize;
  // Describe only one block: there may be a million.
  const numbersOf = (n_layer: number): Numbers =>
    numbersIn(blueprint, architectureOf({ ...blueprint, config: { ...config, n_layer } }, vocabulary));
  const [none, one] = [numbersOf(0), numbersOf(1)];
  const perToken = layers * kept.least(hidden) + vocabulary;
  return {
    weights: none.weights + layers * (one.weights - none.weights),
    trained: none.trained + layers * (one.trained - none.trained),
    activations: batchSize * block * perToken * BYTES_PER_NUMBER,
  };
}

interface Numbers {
  readonly weights: number;
  readonly trained: number;
}

/** Counts the numbers in the weights of a shape. */
function numbersIn({ weights }: Blueprint, of: Architecture): Numbers {
  const numbers = { weights: 0, trained: 0 };
  for (const weight of weights(of)) {
    numbers.weights += sizeOf(weight);
    if (isTrainable(weight, of)) numbers.trained += sizeOf(weight);
  }
  return numbers;
}

function sizeOf({ shape }: DescribedWeight): number {
  return tf.util.sizeFromShape(shape);
}

/** Maps `attn.3` to `attn`, and `ln_1.0` to `ln`. */
function componentOf(layer: string): string {
  const [part = layer] = layer.split('.');
  return part.startsWith('ln_') ? 'ln' : part;
}
