import { tf } from '../../../core/index.js';
import type { Branch, Layers } from './layers.js';

/** `ids` [batch, time] → the last layer norm's output [batch, time, embd]. */
export function hiddenStates(layers: Layers, ids: tf.Tensor2D): tf.Tensor3D {
  const tokens = layers.embedding('transformer.wte', ids); // [batch, time, embd]
  const placed = layers.config.rotary ? tokens : tf.add<tf.Tensor3D>(tokens, positions(layers, ids.shape[1]));
  let x = layers.dropout(placed);
  for (let index = 0; layers.has(`transformer.h.${String(index)}.ln_1.weight`); index++) x = block(layers, index, x);
  return layers.norm('transformer.ln_f', x);
}

/** Hidden states [..., embd] → logits [..., vocab], with the token embedding as the head. */
export function head<T extends tf.Tensor>(layers: Layers, hidden: T): T {
  return layers.unembedding('transformer.wte', hidden);
}

/** Learned positions [time, embd]. */
function positions(layers: Layers, time: number): tf.Tensor {
  const table = layers.weight('transformer.wpe.weight'); // [block, embd]
  const [rows = 0, width = 0] = table.shape;
  return time === rows ? table : tf.slice(table, [layers.first, 0], [time, width]);
}

/** x [batch, time, embd] → the same shape. */
function block(layers: Layers, index: number, x: tf.Tensor3D): tf.Tensor3D {
  const at = `transformer.h.${String(index)}`;
  x = layers.add(x, attention(layers, index, layers.norm(`${at}.ln_1`, x)));
  x = layers.add(x, mlp(layers, `${at}.mlp`, layers.norm(`${at}.ln_2`, x)));
  return x;
}

/** x [batch, time, embd] → the same shape. */
function attention(layers: Layers, index: number, x: tf.Tensor3D): Branch {
  const at = `transformer.h.${String(index)}.attn`;
  const qkv = layers.linear(`${at}.c_attn`, x); // [batch, time, 3 · embd]
  const attended = layers.attention(index, layers.rotated(qkv)); // [batch, time, embd]
  return layers.projection(`${at}.c_proj`, attended);
}

/** x [batch, time, embd] → the same shape. */
function mlp(layers: Layers, at: string, x: tf.Tensor3D): Branch {
  const hidden = layers.linear(`${at}.c_fc`, x); // [batch, time, hidden]
  return layers.projection(`${at}.c_proj`, hidden, layers.config.activation);
}
