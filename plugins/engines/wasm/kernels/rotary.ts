import { rotaryAngles } from '../../../ops/contract.js';
import type { HeapKernel } from './heap.js';

export const rotaryKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierRotary',
    compute: (inputs, attributes, heap) => {
      const qkv = inputs.get('qkv');
      const [, time = 0, threeWidths = 0] = qkv.shape;
      const width = threeWidths / 3;
      const part = width / attributes.number('heads');
      const { cos, sin } = rotaryAngles(time, part, attributes);
      const y = heap.allocate(qkv.shape);
      turn(heap.floats(qkv), heap.floats(y), { time, width, part }, cos, sin);
      return y;
    },
  },
];

function turn(
  x: Float32Array,
  y: Float32Array,
  { time, width, part }: { time: number; width: number; part: number },
  cos: Float32Array,
  sin: Float32Array,
): void {
  const half = part / 2;
  y.set(x);
  for (let row = 0; row * 3 * width < x.length; row++) {
    const angles = (row % time) * half;
    // Queries and keys stand side by side, so heads of both are one list.
    for (let at = row * 3 * width; at < row * 3 * width + 2 * width; at += part) {
      for (let i = 0; i < half; i++) {
        const [real, imaginary] = [x[at + i]!, x[at + half + i]!];
        const [c, s] = [cos[angles + i]!, sin[angles + i]!];
        y[at + i] = real * c - imaginary * s;
        y[at + half + i] = imaginary * c + real * s;
      }
    }
  }
}
