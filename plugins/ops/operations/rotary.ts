import { tf } from '../../../core/index.js';
import { at, type Attributes, firstOf, type Op, runKernel } from './kernel.js';

/**
 * Turns queries and keys by their position, in the half-rotation form: the first half of each head is the real part.
 * Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021, section 3.2.2.
 * @param qkv [batch, time, 3 · width]: queries, keys and values, each of `heads` parts of an even width side by side
 * @param base of the frequencies, 10000 as a rule
 * @param first position of the first row
 * @returns [batch, time, 3 · width]; the values are as they were
 */
export function rotary(qkv: tf.Tensor3D, heads: number, base: number, first = 0): tf.Tensor3D {
  return runKernel<tf.Tensor3D>('EspalierRotary', { qkv }, { heads, base, first, back: false });
}

/** Cosine and sine of each position's angles, both [time, part / 2]. */
export interface RotaryAngles {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

const known = new Map<string, RotaryAngles>();
/** A run has one or two shapes; sampling has one for each position. */
const MOST_KNOWN = 64;

/** For kernels: the angles of a call, kept for the next. @param back true to turn backwards, as the gradient does */
export function rotaryAngles(time: number, part: number, attributes: Attributes): RotaryAngles {
  const [base, first, back] = [attributes.number('base'), attributes.number('first'), attributes.flag('back')];
  const key = [time, part, base, first, back].join(' ');
  const kept = known.get(key);
  if (kept !== undefined) return kept;
  if (known.size >= MOST_KNOWN) known.clear();
  const half = part / 2;
  const angle = (i: number): number => (first + Math.floor(i / half)) * Math.fround(base ** (-(i % half) / half));
  const made = {
    cos: Float32Array.from({ length: time * half }, (_, i) => Math.cos(angle(i))),
    sin: Float32Array.from({ length: time * half }, (_, i) => (back ? -1 : 1) * Math.sin(angle(i))),
  };
  known.set(key, made);
  return made;
}

export const rotaryOp: Op = {
  kernels: [
    {
      name: 'EspalierRotary',
      compute: (inputs, attributes) => {
        const qkv = inputs.get('qkv');
        const [batch, time, threeWidths] = [at(qkv.shape, 0), at(qkv.shape, 1), at(qkv.shape, 2)];
        const heads = attributes.number('heads');
        const part = threeWidths / 3 / heads;
        const angles = rotaryAngles(time, part, attributes);
        const [cos, sin] = [angles.cos, angles.sin].map((values) => tf.tensor(values, [1, time, 1, part / 2]));
        if (cos === undefined || sin === undefined) throw new Error('there are no angles');
        const [q, k, v] = tf.split(qkv, 3, -1);
        const turned = [q, k].map((x) => {
          if (x === undefined) throw new Error('split gave fewer than three parts');
          const [real, imaginary] = tf.split(tf.reshape(x, [batch, time, heads, part]), 2, -1);
          if (real === undefined || imaginary === undefined) throw new Error('split gave fewer than two parts');
          const both = [
            tf.sub(tf.mul(real, cos), tf.mul(imaginary, sin)),
            tf.add(tf.mul(imaginary, cos), tf.mul(real, sin)),
          ];
          return tf.reshape(tf.concat(both, -1), [batch, time, heads * part]);
        });
        return tf.concat([...turned, ...(v === undefined ? [] : [v])], -1);
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierRotary',
      gradFunc: (dys, _saved, attributes) => ({
        qkv: () =>
          runKernel('EspalierRotary', { qkv: firstOf(dys) }, { ...attributes, back: attributes['back'] !== true }),
      }),
    },
  ],
};
