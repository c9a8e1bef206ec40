import { tf } from '../../../core/index.js';
import type { Attributes } from './kernel.js';

export interface HeadOptions {
  /**
   * Number of key heads and of value heads, each shared by a group of query heads; default: the number of query heads.
   */
  keyValueHeads?: number | undefined;
}

/**
 * Layout of a projection [..., (heads + 2 · keyValueHeads) · headDim]: queries of all heads, then keys, then values.
 */
export interface HeadSizes {
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Width of a head. */
  readonly headDim: number;
}

/** Returns the attributes that all kernels over queries, keys and values have. */
export function headAttributes(heads: number, { keyValueHeads = heads }: HeadOptions): tf.NamedAttrMap {
  return { heads, keyValueHeads };
}

/**
 * For kernels: returns the head sizes of a call.
 * @throws Error if key and value heads do not divide query heads, or all heads together the width
 */
export function headSizes(qkv: tf.TensorInfo, attributes: Attributes): HeadSizes {
  const [heads, keyValueHeads] = [attributes.number('heads'), attributes.number('keyValueHeads')];
  const width = qkv.shape.at(-1) ?? 0;
  const headDim = width / (heads + 2 * keyValueHeads);
  const found = `${String(heads)} heads with ${String(keyValueHeads)} of keys and values`;
  if (!(keyValueHeads >= 1) || heads % keyValueHeads !== 0) throw new Error(`${found}: the former must be a multiple`);
  if (!Number.isInteger(headDim)) throw new Error(`${found} do not divide a width of ${String(width)}`);
  return { heads, keyValueHeads, headDim };
}

/** Splits into queries [..., heads · headDim], keys and values [..., keyValueHeads · headDim]. */
export function splitQkv(
  qkv: tf.Tensor,
  { heads, keyValueHeads, headDim }: HeadSizes,
): Record<'q' | 'k' | 'v', tf.Tensor> {
  const widths = [heads, keyValueHeads, keyValueHeads].map((count) => count * headDim);
  const [q, k, v] = tf.split(qkv, widths, -1);
  if (q === undefined || k === undefined || v === undefined) throw new Error('split gave fewer than three parts');
  return { q, k, v };
}
