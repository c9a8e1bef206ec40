import * as tf from '@tensorflow/tfjs-core';
import { causalAttention, dropout, embedding, gelu, layerNorm, linear, type DropoutMask } from '../../core/index.js';
import type { GptConfig } from './config.js';

export type Weights = ReadonlyMap<string, tf.Tensor>;

/** Gives the mask of each dropout of a pass, in order; undefined where nothing is dropped. */
export type NextMask = () => DropoutMask | undefined;

/** `ids` [batch, time] → the last layer norm's output [batch, time, embd]. */
export function hiddenStates(config: GptConfig, weights: Weights, ids: tf.Tensor2D, nextMask: NextMask): tf.Tensor3D {
  const time = ids.shape[1];
  const positions = tf.slice(weightOf(weights, 'transformer.wpe.weight'), [0, 0], [time, config.n_embd]);
  const tokens = embedding(ids, weightOf(weights, 'transformer.wte.weight'));
  let x: tf.Tensor3D = dropout(tf.add(tokens, positions), nextMask());
  for (let layer = 0; layer < config.n_layer; layer++)
    x = block(config, weights, `transformer.h.${String(layer)}`, x, nextMask);
  return norm(weights, 'transformer.ln_f', x);
}

/** Hidden states [..., embd] → logits [..., vocab], with the token embedding as the head. */
export function head<T extends tf.Tensor>(weights: Weights, hidden: T): T {
  return linear(hidden, weightOf(weights, 'transformer.wte.weight'), { transposeWeight: true });
}

function block(config: GptConfig, weights: Weights, at: string, x: tf.Tensor3D, nextMask: NextMask): tf.Tensor3D {
  const qkv = project(weights, `${at}.attn.c_attn`, norm(weights, `${at}.ln_1`, x));
  const attended = project(weights, `${at}.attn.c_proj`, causalAttention(qkv, config.n_head, nextMask()));
  const middle: tf.Tensor3D = tf.add(x, dropout(attended, nextMask()));
  const hidden = gelu(project(weights, `${at}.mlp.c_fc`, norm(weights, `${at}.ln_2`, middle)));
  return tf.add(middle, dropout(project(weights, `${at}.mlp.c_proj`, hidden), nextMask()));
}

function project(weights: Weights, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return linear(x, weightOf(weights, `${name}.weight`), { bias: weights.get(`${name}.bias`) });
}

function norm(weights: Weights, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return layerNorm(x, weightOf(weights, `${name}.weight`), weights.get(`${name}.bias`));
}

function weightOf(weights: Weights, name: string): tf.Tensor {
  const weight = weights.get(name);
  if (weight === undefined) throw new Error(`the model has no weight ${name}`);
  return weight;
}
