import { tf } from '../../../core/index.js';
import type { Attributes } from './kernel.js';

export interface HeadOptions {
  /** Heads of keys and of values, of which each serves as many heads of queries; as many as those where it is not given. */
  keyValueHeads?: number | undefined;
}

/** How a projection [..., (heads + 2 · keyValueHeads) · part] is divided: queries of all heads, then keys, then values. */
export interface HeadSizes {
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Width of a head. */
  readonly part: number;
}

/** The attributes that kernels over queries, keys and values have in common. */
export function headAttributes(heads: number, { keyValueHeads = heads }: HeadOptions): tf.NamedAttrMap {
  return { heads, keyValueHeads };
}

/**
 * For kernels: the sizes of a call.
 * @throws Error when heads of keys and values do not divide those of queries, or all heads together the width
 */
export function headSizes(qkv: tf.TensorInfo, attributes: Attributes): HeadSizes {
  const [heads, keyValueHeads] = [attributes.number('heads'), attributes.number('keyValueHeads')];
  const width = qkv.shape.at(-1) ?? 0;
  const part = width / (heads + 2 * keyValueHeads);
  const found = `${String(heads)} heads with ${String(keyValueHeads)} of keys and values`;
  if (!(keyValueHeads >= 1) || heads % keyValueHeads !== 0) throw new Error(`${found}: the former must be a multiple`);
  if (!Number.isInteger(part)) throw new Error(`${found} do not divide a width of ${String(width)}`);
  return { heads, keyValueHeads, part };
}

/** Queries [..., heads · part], keys and values [..., keyValueHeads · part]. */
export function splitQkv(
  qkv: tf.Tensor,
  { heads, keyValueHeads, part }: HeadSizes,
): Record<'q' | 'k' | 'v', tf.Tensor> {
  const widths = [heads, keyValueHeads, keyValueHeads].map((count) => count * part);
  const [q, k, v] = tf.split(qkv, widths, -1);
  if (q === undefined || k === undefined || v === undefined) throw new Error('split gave fewer than three parts');
  return { q, k, v };
}
