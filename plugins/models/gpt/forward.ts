import { tf } from '../../../core/index.js';
import { rotary, rotaryFrequencies } from '../../ops/contract.js';
import type { Branch, Layers } from '../decoder/layers.js';
import type { GptConfig } from './config.js';

/** Maps `ids` [batch, time] to the last layer norm's output [batch, time, embd]. */
export function hiddenStates(config: GptConfig, layers: Layers, ids: tf.Tensor2D): tf.Tensor3D {
  const tokens = layers.embedding('transformer.wte', ids); // [batch, time, embd]
  const placed = config.rotary ? tokens : tf.add<tf.Tensor3D>(tokens, positions(layers, ids.shape[1]));
  let x = layers.dropout(placed);
  for (let n = 0; layers.has(`transformer.h.${String(n)}.ln_1.weight`); n++) x = block(config, layers, n, x);
  return layers.layerNorm('transformer.ln_f', x);
}

/** Maps hidden states [..., embd] to logits [..., vocab], with the token embedding as the head. */
export function head<T extends tf.Tensor>(layers: Layers, hidden: T): T {
  return layers.unembedding('transformer.wte', hidden);
}

/** Returns the learned positions [time, embd]. */
function positions(layers: Layers, time: number): tf.Tensor {
  const table = layers.weight('transformer.wpe.weight'); // [block, embd]
  const [rows = 0, width = 0] = table.shape;
  return time === rows ? table : tf.slice(table, [layers.first, 0], [time, width]);
}

/** x [batch, time, embd] → the same shape. */
function block(config: GptConfig, layers: Layers, index: number, x: tf.Tensor3D): tf.Tensor3D {
  const at = `transformer.h.${String(index)}`;
  x = layers.add(x, attention(config, layers, index, layers.layerNorm(`${at}.ln_1`, x)));
  x = layers.add(x, mlp(config, layers, `${at}.mlp`, layers.layerNorm(`${at}.ln_2`, x)));
  return x;
}

/** x [batch, time, embd] → the same shape. */
function attention(config: GptConfig, layers: Layers, index: number, x: tf.Tensor3D): Branch {
  const at = `transformer.h.${String(index)}.attn`;
  const { n_head: heads, n_embd: width, rotary_base } = config;
  const qkv = layers.linear(`${at}.c_attn`, x); // [batch, time, 3 · embd]
  const frequencies = rotaryFrequencies(width / heads, rotary_base);
  const placed = config.rotary ? rotary(qkv, heads, { frequencies, first: layers.first }) : qkv;
  const attended = layers.attention(index, placed, heads); // [batch, time, embd]
  return layers.projection(`${at}.c_proj`, attended);
}

/** x [batch, time, embd] → the same shape. */
function mlp({ activation }: GptConfig, layers: Layers, at: string, x: tf.Tensor3D): Branch {
  const hidden = layers.linear(`${at}.c_fc`, x); // [batch, time, hidden]
  return layers.projection(`${at}.c_proj`, hidden, activation);
}
