import * as tf from '@tensorflow/tfjs-core';
import type { RandomStream } from '../../core/index.js';
import type { GptConfig } from './config.js';

const INIT_DEVIATION = 0.02;

/** How a weight starts: normal with that deviation, or all of one value. */
interface WeightShape {
  readonly shape: number[];
  readonly deviation?: number;
  readonly value?: number;
}

/** New weights under Hugging Face's GPT-2 names, in their order. The output head is tied to `wte`. */
export function makeWeights(config: GptConfig, vocabSize: number, random: RandomStream): Map<string, tf.Variable> {
  const weights = new Map<string, tf.Variable>();
  for (const [name, { shape, deviation, value = 0 }] of weightShapes(config, vocabSize)) {
    const values = new Float32Array(tf.util.sizeFromShape(shape)).fill(value);
    if (deviation !== undefined) for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
    // No name: tfjs's variable names are global, two runs would clash.
    weights.set(
      name,
      tf.tidy(() => tf.variable(tf.tensor(values, shape))),
    );
  }
  return weights;
}

function weightShapes(config: GptConfig, vocabSize: number): [string, WeightShape][] {
  const { n_layer: layers, n_embd: width, block_size: block } = config;
  const hidden = config.n_hidden ?? 4 * width;
  const residual = INIT_DEVIATION / Math.sqrt(2 * layers);
  const blocks = Array.from({ length: layers }, (_, layer) => {
    const at = `transformer.h.${String(layer)}`;
    return [
      ...norm(`${at}.ln_1`, width, config.bias),
      ...linear(`${at}.attn.c_attn`, width, 3 * width, INIT_DEVIATION, config.bias),
      ...linear(`${at}.attn.c_proj`, width, width, residual, config.bias),
      ...norm(`${at}.ln_2`, width, config.bias),
      ...linear(`${at}.mlp.c_fc`, width, hidden, INIT_DEVIATION, config.bias),
      ...linear(`${at}.mlp.c_proj`, hidden, width, residual, config.bias),
    ];
  });
  return [
    ['transformer.wte.weight', { shape: [vocabSize, width], deviation: INIT_DEVIATION }],
    ['transformer.wpe.weight', { shape: [block, width], deviation: INIT_DEVIATION }],
    ...blocks.flat(),
    ...norm('transformer.ln_f', width, config.bias),
  ];
}

function linear(name: string, from: number, to: number, deviation: number, bias: boolean): [string, WeightShape][] {
  return withBias(name, { shape: [from, to], deviation }, to, bias);
}

function norm(name: string, width: number, bias: boolean): [string, WeightShape][] {
  return withBias(name, { shape: [width], value: 1 }, width, bias);
}

function withBias(name: string, weight: WeightShape, width: number, bias: boolean): [string, WeightShape][] {
  return [
    [`${name}.weight`, weight],
    ...(bias ? [[`${name}.bias`, { shape: [width] }] satisfies [string, WeightShape]] : []),
  ];
}
