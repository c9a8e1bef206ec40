import { sizes, type HeapKernel } from './heap.js';

export const embeddingKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierEmbeddingGrad',
    compute: (inputs, attributes, heap) => {
      const [dy, ids] = [inputs.get('dy'), inputs.get('ids')];
      const [, width] = sizes(dy.shape);
      const gradient = heap.allocate([attributes.number('rows'), width]);
      addByRow(heap.floats(dy), heap.integers(ids), heap.floats(gradient), width);
      return gradient;
    },
  },
];

function addByRow(dy: Float32Array, ids: Int32Array, gradient: Float32Array, width: number): void {
  gradient.fill(0);
  for (let row = 0; row < ids.length; row++) {
    const [from, to] = [row * width, ids[row]! * width];
    for (let i = 0; i < width; i++) gradient[to + i]! += dy[from + i]!;
  }
}
