import { tf } from '../../../core/index.js';
import { headAttributes, type HeadOptions, headSizes, splitQkv } from './heads.js';
import { at, type Attributes, firstOf, type Op, runKernel } from './kernel.js';

export interface RotaryOptions extends HeadOptions {
  /** Radians per position for each pair, from `rotaryFrequencies`: half as many as the width of a head. */
  frequencies: number[];
  /** Position of the first row. */
  first?: number | undefined;
}

/**
 * Rotates queries and keys by their position, in the half-rotation form: the first half of each head is the real headDim.
 * Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021, section 3.2.2.
 * @param qkv [batch, time, (heads + 2 · keyValueHeads) · headDim]: queries, keys and values of heads of an even width
 * @returns the same shape; the values are unchanged
 * @throws Error if the number of frequencies is not half the width of a head
 */
export function rotary(qkv: tf.Tensor3D, heads: number, options: RotaryOptions): tf.Tensor3D {
  const { frequencies, first = 0 } = options;
  const attributes = { ...headAttributes(heads, options), frequencies, first, back: false };
  return runKernel<tf.Tensor3D>('EspalierRotary', { qkv }, attributes);
}

/** Cosine and sine of each position's angles, both [time, headDim / 2]. */
export interface RotaryAngles {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Keyed by the list of frequencies itself: a model uses one for all its layers and steps. */
const known = new WeakMap<readonly number[], Map<string, RotaryAngles>>();
/** Training has one or two shapes; sampling has one per position. */
const MOST_KNOWN = 64;

/**
 * For kernels: returns the angles of a call, cached for the next. Attribute `back`: true rotates backwards, for the
 * gradient.
 * @throws Error as `rotary` does
 */
export function rotaryAngles(time: number, headDim: number, attributes: Attributes): RotaryAngles {
  const [frequencies, first, back] = [
    attributes.list('frequencies'),
    attributes.number('first'),
    attributes.flag('back'),
  ];
  const half = frequencies.length;
  if (2 * half !== headDim)
    throw new Error(`${String(half)} frequencies of rotary positions are not for heads of ${String(headDim)}`);
  const kept = known.get(frequencies) ?? new Map<string, RotaryAngles>();
  known.set(frequencies, kept);
  const key = [time, first, back].join(' ');
  const before = kept.get(key);
  if (before !== undefined) return before;
  if (kept.size >= MOST_KNOWN) kept.clear();
  const angle = (i: number): number => (first + Math.floor(i / half)) * at(frequencies, i % half);
  const made = {
    cos: Float32Array.from({ length: time * half }, (_, i) => Math.cos(angle(i))),
    sin: Float32Array.from({ length: time * half }, (_, i) => (back ? -1 : 1) * Math.sin(angle(i))),
  };
  kept.set(key, made);
  return made;
}

export const rotaryOp: Op = {
  kernels: [
    {
      name: 'EspalierRotary',
      compute: (inputs, attributes) => {
        const qkv = inputs.get('qkv');
        const [batch, time] = [at(qkv.shape, 0), at(qkv.shape, 1)];
        const sizes = headSizes(qkv, attributes);
        const angles = rotaryAngles(time, sizes.headDim, attributes);
        const [cos, sin] = [angles.cos, angles.sin].map((values) => tf.tensor(values, [1, time, 1, sizes.headDim / 2]));
        if (cos === undefined || sin === undefined) throw new Error('there are no angles');
        const { q, k, v } = splitQkv(qkv, sizes);
        const turned = [q, k].map((x) => {
          const [real, imaginary] = tf.split(tf.reshape(x, [batch, time, -1, sizes.headDim]), 2, -1);
          if (real === undefined || imaginary === undefined) throw new Error('split gave fewer than two parts');
          const both = [
            tf.sub(tf.mul(real, cos), tf.mul(imaginary, sin)),
            tf.add(tf.mul(imaginary, cos), tf.mul(real, sin)),
          ];
          return tf.reshape(tf.concat(both, -1), x.shape);
        });
        return tf.concat([...turned, v], -1);
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
