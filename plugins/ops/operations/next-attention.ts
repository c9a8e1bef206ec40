import { tf } from '../../../core/index.js';
import { at, type Op, runKernelForAll } from './kernel.js';

/** Keys and values of positions, both [texts, capacity, width]; later ones have a place already. */
export interface KeptPositions {
  readonly keys: tf.Tensor3D;
  readonly values: tf.Tensor3D;
}

/**
 * Keeps keys and values of the first positions of texts that begin in the same way.
 * @param qkv [1, time, 3 · width]
 * @param capacity positions to have place for, at least `time`
 */
export function keepPositions(qkv: tf.Tensor3D, texts: number, capacity: number): KeptPositions {
  return kept(runKernelForAll('EspalierKeepPositions', { qkv }, { texts, capacity }), 0);
}

/**
 * Attention of the next position of each text to itself and to those before.
 * @param qkv [texts, 1, 3 · width]: of the next position
 * @param before must not be used afterwards, only disposed: its memory may be that of `after`
 * @param position index of the position, below the capacity
 * @returns y [texts, 1, width], and the positions with this one
 */
export function nextAttention(
  qkv: tf.Tensor3D,
  { keys, values }: KeptPositions,
  heads: number,
  position: number,
): { readonly y: tf.Tensor3D; readonly after: KeptPositions } {
  const outputs = runKernelForAll('EspalierNextAttention', { qkv, keys, values }, { heads, position });
  const [texts, , threeWidths] = qkv.shape;
  return { y: tf.reshape(at(outputs, 0), [texts, 1, threeWidths / 3]), after: kept(outputs, 1) };
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
        const [, k, v] = tf.split(inputs.get('qkv'), 3, -1);
        const [texts, capacity] = [attributes.number('texts'), attributes.number('capacity')];
        return [k, v].map((part) => {
          if (part === undefined) throw new Error('split gave fewer than three parts');
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
        const [heads, position] = [attributes.number('heads'), attributes.number('position')];
        const [q, k, v] = tf.split(qkv, 3, -1);
        if (q === undefined || k === undefined || v === undefined) throw new Error('split gave fewer than three parts');
        const after = [withPosition(keys, k, position), withPosition(values, v, position)] as const;
        const rows = Array.from({ length: at(qkv.shape, 0) }, (_, text) => {
          const of = (x: tf.Tensor, length: number): tf.Tensor2D =>
            tf.reshape(tf.slice(x, [text, 0, 0], [1, length, -1]), [length, -1]);
          return oneAttends(of(q, 1), of(after[0], position + 1), of(after[1], position + 1), heads);
        });
        return [tf.stack(rows), ...after];
      },
    },
  ],
  gradients: [],
};

/** `kept` [texts, capacity, width] with `one` [texts, 1, width] at a position. */
function withPosition(kept: tf.Tensor, one: tf.Tensor, position: number): tf.Tensor {
  const rest = at(kept.shape, 1) - position - 1;
  const before = position === 0 ? [] : [tf.slice(kept, [0, 0, 0], [-1, position, -1])];
  const later = rest === 0 ? [] : [tf.slice(kept, [0, position + 1, 0], [-1, rest, -1])];
  return tf.concat([...before, one, ...later], 1);
}

/**
 * Attention of one position. Heads stand side by side in the rows of keys and values: each is told from the others by
 * zeros in their places, which costs less than taking them apart.
 * @param query [1, width]
 * @returns [1, width]
 */
function oneAttends(query: tf.Tensor2D, keys: tf.Tensor2D, values: tf.Tensor2D, heads: number): tf.Tensor {
  const [, width] = query.shape;
  const part = width / heads;
  const own = Float32Array.from({ length: heads * width }, (_, i) =>
    Math.floor((i % width) / part) === Math.floor(i / width) ? 1 : 0,
  );
  const places = tf.tensor2d(own, [heads, width]);
  const queries = tf.mul(tf.mul(query, places), 1 / Math.sqrt(part));
  const weights = tf.softmax(tf.matMul(queries, keys, false, true));
  return tf.sum(tf.mul(tf.matMul(weights, values), places), 0, true);
}
