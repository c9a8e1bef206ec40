import { headSizes, type HeadSizes, rotaryAngles } from '../../../ops/contract.js';
import type { HeapKernel } from './heap.js';

export const rotaryKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierRotary',
    compute: (inputs, attributes, heap) => {
      const qkv = inputs.get('qkv');
      const [, time = 0] = qkv.shape;
      const sizes = headSizes(qkv, attributes);
      const { cos, sin } = rotaryAngles(time, sizes.headDim, attributes);
      const y = heap.allocate(qkv.shape);
      turn(heap.floats(qkv), heap.floats(y), { time, ...sizes }, cos, sin);
      return y;
    },
  },
];

function turn(
  x: Float32Array,
  y: Float32Array,
  { time, heads, keyValueHeads, headDim }: HeadSizes & { time: number },
  cos: Float32Array,
  sin: Float32Array,
): void {
  const half = headDim / 2;
  const width = (heads + 2 * keyValueHeads) * headDim;
  y.set(x);
  for (let row = 0; row * width < x.length; row++) {
    const angles = (row % time) * half;
    // Query and key heads are side by side, so one loop covers both.
    for (let at = row * width; at < row * width + (heads + keyValueHeads) * headDim; at += headDim) {
      for (let i = 0; i < half; i++) {
        const [real, imaginary] = [x[at + i]!, x[at + half + i]!];
        const [c, s] = [cos[angles + i]!, sin[angles + i]!];
        y[at + i] = real * c - imaginary * s;
        y[at + half + i] = imaginary * c + real * s;
      }
    }
  }
}
