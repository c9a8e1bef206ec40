import { tf, type MemoryNeed, type ParameterCount, type PlannedShape } from '../../../core/index.js';
import type { ArchitectureFacts } from '../../growth/contract.js';
import { architectureOf, type Architecture } from './architecture.js';
import type { GptConfig } from './config.js';
import { isTrainable, weightShapes } from './weights.js';

const BYTES_PER_NUMBER = 4;
const MULTIPLY_AND_ADD = 2;

/** Parameters of a shape, and one line that describes it. */
export function factsOf(config: GptConfig, of: Architecture): ArchitectureFacts {
  const ranks = [...new Set(of.attn_lora_rank)].map(String).join(' and ');
  const description = [
    `${String(of.n_layer)} layers, MLP ${String(of.n_hidden)} wide, vocabulary ${String(of.vocab_size)}`,
    ...(ranks === '0' ? [] : [`LoRA rank ${ranks}`]),
    ...(of.embedding_lora_rank === 0 ? [] : [`embedding LoRA rank ${String(of.embedding_lora_rank)}`]),
    ...(of.frozen.length === 0 ? [] : [`frozen ${of.frozen.join(' ')}`]),
    ...(of.trained === 'all' ? [] : [`only ${of.trained} trained`]),
  ].join(', ');
  const { weights, trained } = numbersIn(config, of);
  return { parameters: weights, trainable: trained, description };
}

/** Parameters by component, in the order of the weights. */
export function countsOf(weights: ReadonlyMap<string, tf.Variable>): ParameterCount[] {
  const counts = new Map<string, ParameterCount>();
  for (const [name, variable] of weights) {
    const component = componentOf(name);
    const count = counts.get(component) ?? { component, total: 0, trainable: 0 };
    count.total += variable.size;
    if (variable.trainable) count.trainable += variable.size;
    counts.set(component, count);
  }
  return [...counts.values()];
}

/**
 * Floating-point operations that training needs for a token. Each matrix that it is multiplied by counts once forward, once for the gradient of its input, and once for its
 * own where it is trained. Attention counts the half that is not masked, once forward and twice backward.
 * Chowdhery et al., "PaLM", 2022, appendix B (6N + 12·L·H·Q·T) counts the masked half too, and no frozen weights.
 */
export function flopsPerToken(weights: ReadonlyMap<string, tf.Variable>, config: GptConfig): number {
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

/** Roughly the bytes that a micro-batch holds between forward and backward pass. */
export function activationBytes(
  { n_head: heads, n_embd: width, block_size: block }: GptConfig,
  { n_layer: layers, n_hidden: hidden, vocab_size: vocabulary }: Architecture,
  batchSize: number,
): number {
  const perToken = layers * (10 * width + 2 * hidden + heads * block) + 3 * vocabulary;
  return batchSize * block * perToken * BYTES_PER_NUMBER;
}

/**
 * What a model of these options takes: of its activations, those that every engine keeps for the backward pass (the
 * inputs of a block's products and norms, and the logits; not the attention's weights, which some compute again).
 */
export function memoryNeeded(config: GptConfig, { batchSize, vocabSize }: PlannedShape): MemoryNeed {
  const vocabulary = config.vocab_size ?? vocabSize;
  const { n_layer: layers, n_embd: width, block_size: block, n_hidden } = config;
  const numbersOf = (count: number): Numbers =>
    numbersIn(config, architectureOf({ ...config, n_layer: count }, vocabulary));
  const none = numbersOf(0);
  const one = numbersOf(1);
  const perToken = layers * (6 * width + (n_hidden ?? 4 * width)) + vocabulary;
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

/** Numbers in the weights of a shape. */
function numbersIn(config: GptConfig, architecture: Architecture): Numbers {
  const numbers = { weights: 0, trained: 0 };
  for (const [name, { shape }] of weightShapes(config, architecture)) {
    const size = tf.util.sizeFromShape(shape);
    numbers.weights += size;
    if (isTrainable(name, architecture)) numbers.trained += size;
  }
  return numbers;
}

/** `transformer.h.3.attn.c_attn.weight` → `attn` */
function componentOf(name: string): string {
  const parts = name.replace(/^transformer\.(h\.\d+\.)?/, '').split('.');
  const first = parts[0] ?? name;
  return first.startsWith('ln_') ? 'ln' : first;
}
