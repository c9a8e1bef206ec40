import { dropout, tf, type DropoutMask } from '../../../core/index.js';
import {
  causalAttention,
  embedding,
  geluLinear,
  layerNorm,
  linear,
  rotary,
  type LinearOptions,
} from '../../ops/contract.js';
import type { GptConfig } from './config.js';
import type { Past } from './past.js';

const TOKENS = 'transformer.wte';
const CUBIC = 0.044715;
const ROOT = Math.sqrt(2 / Math.PI);

/** The model's weights by name, or those of one pass. */
export type Weights = Pick<ReadonlyMap<string, tf.Tensor>, 'get' | 'has'>;

/** Gives the mask of each dropout of a pass, in order; undefined where nothing is dropped. */
export type NextMask = () => DropoutMask | undefined;

/** What a pass has beside its ids. */
export interface PassOptions {
  readonly nextMask?: NextMask;
  /** The positions before the ids; these are added. One text, without dropout. */
  readonly past?: Past;
}

/** `ids` [batch, time] → the last layer norm's output [batch, time, embd]. */
export function hiddenStates(
  config: GptConfig,
  weights: Weights,
  ids: tf.Tensor2D,
  options: PassOptions = {},
): tf.Tensor3D {
  const { nextMask = noMask, past } = options;
  const tokens = embedded(config, weights, ids);
  const placed = config.rotary
    ? tokens
    : tf.add<tf.Tensor3D>(tokens, positions(weights, past?.first ?? 0, ids.shape[1]));
  let x: tf.Tensor3D = dropout(placed, nextMask());
  for (let layer = 0; weights.has(`transformer.h.${String(layer)}.ln_1.weight`); layer++)
    x = block(config, weights, layer, x, options);
  return norm(weights, 'transformer.ln_f', x);
}

/** Hidden states [..., embd] → logits [..., vocab], with the token embedding as the head. */
export function head<T extends tf.Tensor>(config: GptConfig, weights: Weights, hidden: T): T {
  const logits = linear(hidden, weightOf(weights, `${TOKENS}.weight`), { transposeWeight: true });
  const a = weights.get(`${TOKENS}.lora_A`);
  if (a === undefined) return logits;
  const low = linear(hidden, weightOf(weights, `${TOKENS}.lora_B`), { transposeWeight: true });
  return linear(scaled(config, low), a, { transposeWeight: true, residual: logits });
}

function embedded(config: GptConfig, weights: Weights, ids: tf.Tensor2D): tf.Tensor3D {
  const tokens = embedding(ids, weightOf(weights, `${TOKENS}.weight`));
  const a = weights.get(`${TOKENS}.lora_A`);
  if (a === undefined) return tokens;
  return linear(scaled(config, embedding(ids, a)), weightOf(weights, `${TOKENS}.lora_B`), { residual: tokens });
}

/** Learned positions [time, embd]. */
function positions(weights: Weights, first: number, time: number): tf.Tensor {
  const table = weightOf(weights, 'transformer.wpe.weight');
  const [rows = 0, width = 0] = table.shape;
  return time === rows ? table : tf.slice(table, [first, 0], [time, width]);
}

/** alpha / rank times a low-rank layer's middle [..., rank]. */
function scaled<T extends tf.Tensor>(config: GptConfig, low: T): T {
  return tf.mul(low, config.lora_alpha / (low.shape.at(-1) ?? 1));
}

function block(
  config: GptConfig,
  weights: Weights,
  layer: number,
  x: tf.Tensor3D,
  { nextMask = noMask, past }: PassOptions,
): tf.Tensor3D {
  const at = `transformer.h.${String(layer)}`;
  const qkv = queriesKeysValues(config, weights, `${at}.attn.c_attn`, norm(weights, `${at}.ln_1`, x));
  const turned = config.rotary ? rotary(qkv, config.n_head, config.rotary_base, past?.first) : qkv;
  const attended = past?.attend(layer, turned, config.n_head) ?? causalAttention(turned, config.n_head, nextMask());
  const middle = joined(x, nextMask(), (residual) =>
    linear(attended, ...parts(weights, `${at}.attn.c_proj`, residual)),
  );
  const hidden = project(weights, `${at}.mlp.c_fc`, norm(weights, `${at}.ln_2`, middle));
  return joined(middle, nextMask(), (residual) => {
    const [weight, more] = parts(weights, `${at}.mlp.c_proj`, residual);
    return config.activation === 'gelu'
      ? geluLinear(hidden, weight, more)
      : linear(
          tf.tidy(() => geluTanh(hidden)),
          weight,
          more,
        );
  });
}

/** x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): Hendrycks and Gimpel, "Gaussian error linear units", 2016. */
function geluTanh(input: tf.Tensor3D): tf.Tensor3D {
  return tf.customGrad((given: tf.Tensor | tf.GradSaveFunc, given2: tf.Tensor | tf.GradSaveFunc) => {
    const [x, save] = [given as tf.Tensor3D, given2 as tf.GradSaveFunc];
    save([x]);
    return {
      value: tf.mul<tf.Tensor3D>(tf.mul(x, 0.5), tf.add(tanhPart(x), 1)),
      gradFunc: (dy: tf.Tensor3D, saved: tf.Tensor[]) => tf.mul(dy, geluTanhSlope(saved[0] ?? x)),
    };
  })(input);
}

function geluTanhSlope(x: tf.Tensor): tf.Tensor {
  const tanh = tanhPart(x);
  const inner = tf.mul(tf.add(tf.mul(tf.mul(x, x), 3 * CUBIC), 1), ROOT);
  const risen = tf.mul(tf.mul(x, tf.sub(1, tf.mul(tanh, tanh))), inner);
  return tf.mul(tf.add(tf.add(tanh, 1), risen), 0.5);
}

function tanhPart<T extends tf.Tensor>(x: T): T {
  return tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.mul(x, x), x), CUBIC)), ROOT));
}

/** `x` plus a branch: in one operation where nothing of the branch is dropped. */
function joined(
  x: tf.Tensor3D,
  mask: DropoutMask | undefined,
  branch: (residual?: tf.Tensor) => tf.Tensor3D,
): tf.Tensor3D {
  return mask === undefined ? branch(x) : tf.add(x, dropout(branch(), mask));
}

/** x W + b, and alpha / rank · (x A) B where the layer has LoRA. */
function queriesKeysValues(config: GptConfig, weights: Weights, name: string, x: tf.Tensor3D): tf.Tensor3D {
  const main = project(weights, name, x);
  const a = weights.get(`${name}.lora_A`);
  if (a === undefined) return main;
  return linear(scaled(config, linear(x, a)), weightOf(weights, `${name}.lora_B`), { residual: main });
}

function project(weights: Weights, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return linear(x, ...parts(weights, name));
}

/** A projection's weight, and what is added to the product. */
function parts(weights: Weights, name: string, residual?: tf.Tensor): [tf.Tensor, LinearOptions] {
  return [weightOf(weights, `${name}.weight`), { bias: weights.get(`${name}.bias`), residual }];
}

function norm(weights: Weights, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return layerNorm(x, weightOf(weights, `${name}.weight`), weights.get(`${name}.bias`));
}

function noMask(): undefined {
  // Nothing is dropped.
}

function weightOf(weights: Weights, name: string): tf.Tensor {
  const weight = weights.get(name);
  if (weight === undefined) throw new Error(`the model has no weight ${name}`);
  return weight;
}
