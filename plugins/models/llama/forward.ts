import type { tf } from '../../../core/index.js';
import { gated, queryKeyNorm, rotary, rotaryFrequencies } from '../../ops/contract.js';
import type { Branch, Layers } from '../decoder/layers.js';
import { headsOf, type LlamaConfig } from './config.js';

/** Maps `ids` [batch, time] to the last norm's output [batch, time, embd]. */
export function hiddenStates(config: LlamaConfig, layers: Layers, ids: tf.Tensor2D): tf.Tensor3D {
  let x = layers.dropout(layers.embedding('model.embed_tokens', ids)); // [batch, time, embd]
  for (let n = 0; layers.has(`model.layers.${String(n)}.input_layernorm.weight`); n++) x = block(config, layers, n, x);
  return layers.rmsNorm('model.norm', x, config.norm_epsilon);
}

/** Maps hidden states [..., embd] to logits [..., vocab]. */
export function head<T extends tf.Tensor>({ tied }: LlamaConfig, layers: Layers, hidden: T): T {
  return layers.unembedding(tied ? 'model.embed_tokens' : 'lm_head', hidden);
}

/** x [batch, time, embd] → the same shape. */
function block(config: LlamaConfig, layers: Layers, index: number, x: tf.Tensor3D): tf.Tensor3D {
  const at = `model.layers.${String(index)}`;
  const norm = (name: string, y: tf.Tensor3D): tf.Tensor3D => layers.rmsNorm(`${at}.${name}`, y, config.norm_epsilon);
  x = layers.add(x, attention(config, layers, index, norm('input_layernorm', x)));
  x = layers.add(x, mlp(config, layers, `${at}.mlp`, norm('post_attention_layernorm', x)));
  return x;
}

/** x [batch, time, embd] → the same shape. */
function attention(config: LlamaConfig, layers: Layers, index: number, x: tf.Tensor3D): Branch {
  const at = `model.layers.${String(index)}.self_attn`;
  const qkv = layers.linear(`${at}.qkv_proj`, x); // [batch, time, (heads + 2 · keyValueHeads) · headDim]
  const placed = rotated(config, layers, normed(config, layers, at, qkv));
  const { heads, keyValueHeads } = headsOf(config);
  const attended = layers.attention(index, placed, heads, { keyValueHeads }); // [batch, time, heads · headDim]
  return layers.projection(`${at}.o_proj`, attended);
}

/** Normalizes each head's queries and keys, if the model does that; returns the shape of qkv. */
function normed(config: LlamaConfig, layers: Layers, at: string, qkv: tf.Tensor3D): tf.Tensor3D {
  if (!config.qk_norm) return qkv;
  const { heads, keyValueHeads } = headsOf(config);
  const [queries, keys] = [layers.weight(`${at}.q_norm.weight`), layers.weight(`${at}.k_norm.weight`)];
  return queryKeyNorm(qkv, heads, queries, keys, { keyValueHeads, epsilon: config.norm_epsilon });
}

/** Rotates queries and keys by their positions; returns the shape of qkv. */
function rotated(config: LlamaConfig, layers: Layers, qkv: tf.Tensor3D): tf.Tensor3D {
  const { heads, keyValueHeads, headDim } = headsOf(config);
  const frequencies = rotaryFrequencies(headDim, config.rotary_base, config.rotary_scaling);
  return rotary(qkv, heads, { keyValueHeads, frequencies, first: layers.first });
}

/** x [batch, time, embd] → the same shape. */
function mlp({ activation }: LlamaConfig, layers: Layers, at: string, x: tf.Tensor3D): Branch {
  const [gate, up] = [layers.linear(`${at}.gate_proj`, x), layers.linear(`${at}.up_proj`, x)]; // [batch, time, hidden]
  return layers.projection(`${at}.down_proj`, gated(gate, up, activation));
}
