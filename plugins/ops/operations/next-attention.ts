import { tf } from '../../../core/index.js';
import { headAttributes, type HeadOptions, headSizes, type HeadSizes, splitQkv } from './heads.js';
import { at, type Op, runKernelForAll } from './kernel.js';

/** Key/value cache: both [texts, capacity, keyValueHeads · headDim], with room for later positions. */
export interface KeptPositions {
  readonly keys: tf.Tensor3D;
  readonly values: tf.Tensor3D;
}

/**
 * Fills a key/value cache with the prompt that all texts begin with.
 * @param qkv [1, time, (heads + 2 · keyValueHeads) · headDim]
 * @param capacity number of positions to allocate, at least `time`
 */
export function keepPositions(
  qkv: tf.Tensor3D,
  texts: number,
  capacity: number,
  { heads, ...options }: HeadOptions & { heads: number },
): KeptPositions {
  const attributes = { texts, capacity, ...headAttributes(heads, options) };
  return kept(runKernelForAll('EspalierKeepPositions', { qkv }, attributes), 0);
}

/**
 * Computes attention of each text's next position to itself and those before it.
 * @param qkv [texts, 1, (heads + 2 · keyValueHeads) · headDim] of the next position
 * @param before may only be disposed afterwards: `after` may use its memory
 * @param position index of the position, below the capacity
 * @returns y [texts, 1, heads · headDim], and the cache with this position added
 */
export function nextAttention(
  qkv: tf.Tensor3D,
  { keys, values }: KeptPositions,
  heads: number,
  position: number,
  options: HeadOptions = {},
): { readonly y: tf.Tensor3D; readonly after: KeptPositions } {
  const attributes = { ...headAttributes(heads, options), position };
  const outputs = runKernelForAll('EspalierNextAttention', { qkv, keys, values }, attributes);
  return { y: tf.reshape(at(outputs, 0), [qkv.shape[0], 1, -1]), after: kept(outputs, 1) };
}

function kept(outputs: readonly tf.Tensor[], first: number): KeptPositions {
  const third = (index: number): tf.Tensor3D => {
    const tensor = at(outputs, index);
    const [texts = 0, capacity = 0, width = 0] = tensor.shape;
    return tf.reshape(tensor, [texts, capacity, width]);
  };
  return { keys: third(first), values: third(first + 1) };
}

export const nextAttentionOp: Op = {
  kernels: [
    {
      name: 'EspalierKeepPositions',
      compute: (inputs, attributes) => {
        const qkv = inputs.get('qkv');
        const { k, v } = splitQkv(qkv, headSizes(qkv, attributes));
        const [texts, capacity] = [attributes.number('texts'), attributes.number('capacity')];
        return [k, v].map((part) => {
          const rest = capacity - at(part.shape, 1);
          const padded = tf.pad(part, [
            [0, 0],
            [0, rest],
            [0, 0],
          ]);
          return tf.tile(padded, [texts, 1, 1]);
        });
      },
    },
    {
      name: 'EspalierNextAttention',
      compute: (inputs, attributes) => {
        const [qkv, keys, values] = [inputs.get('qkv'), inputs.get('keys'), inputs.get('values')];
        const [sizes, position] = [headSizes(qkv, attributes), attributes.number('position')];
        const { q, k, v } = splitQkv(qkv, sizes);
        const after = [withPosition(keys, k, position), withPosition(values, v, position)] as const;
        const rows = Array.from({ length: at(qkv.shape, 0) }, (_, text) => {
          const of = (x: tf.Tensor, length: number): tf.Tensor2D =>
            tf.reshape(tf.slice(x, [text, 0, 0], [1, length, -1]), [length, -1]);
          return oneAttends(of(q, 1), of(after[0], position + 1), of(after[1], position + 1), sizes);
        });
        return [tf.stack(rows), ...after];
      },
    },
  ],
  gradients: [],
};

/** Writes `one` [texts, 1, width] into `kept` [texts, capacity, width] at a position. */
function withPosition(kept: tf.Tensor, one: tf.Tensor, position: number): tf.Tensor {
  const rest = at(kept.shape, 1) - position - 1;
  const before = position === 0 ? [] : [tf.slice(kept, [0, 0, 0], [-1, position, -1])];
  const later = rest === 0 ? [] : [tf.slice(kept, [0, position + 1, 0], [-1, rest, -1])];
  return tf.concat([...before, one, ...later], 1);
}

/**
 * Computes attention of one position. Heads are side by side in the rows of keys and values; zeros in the other heads'
 * places separate them, which is cheaper than splitting.
 * @param query [1, heads · headDim]
 * @param keys [positions, keyValueHeads · headDim], like `values`
 * @returns [1, heads · headDim]
 */
function oneAttends(query: tf.Tensor2D, keys: tf.Tensor2D, values: tf.Tensor2D, sizes: HeadSizes): tf.Tensor {
  const { heads, keyValueHeads, headDim } = sizes;
  const [group, width] = [heads / keyValueHeads, keyValueHeads * headDim];
  const own = Float32Array.from({ length: heads * width }, (_, i) =>
    Math.floor((i % width) / headDim) === Math.floor(i / width / group) ? 1 : 0,
  );
  const places = tf.tensor2d(own, [heads, width]);
  const repeated = tf.tile(tf.reshape(query, [heads, headDim]), [1, keyValueHeads]);
  const weights = tf.softmax(tf.matMul(tf.mul(tf.mul(repeated, places), 1 / Math.sqrt(headDim)), keys, false, true));
  const attended = tf.mul(tf.matMul(weights, values), places);
  // The places of all other heads are zero.
  return tf.reshape(tf.sum(tf.reshape(attended, [heads, keyValueHeads, headDim]), 1), [1, heads * headDim]);
}
