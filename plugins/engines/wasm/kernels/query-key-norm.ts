import { headSizes } from '../../../ops/contract.js';
import type { HeapKernel } from './heap.js';
import { normRow, normRowGradient } from './rms-norm.js';

export const queryKeyNormKernels: readonly HeapKernel[] = [
  {
    name: 'EspalierQueryKeyNorm',
    compute: (inputs, attributes, heap) => {
      const qkv = inputs.get('qkv');
      const { heads, keyValueHeads, headDim } = headSizes(qkv, attributes);
      const result = heap.allocate(qkv.shape);
      const [x, y] = [heap.floats(qkv), heap.floats(result)];
      const weights = [heap.floats(inputs.get('queryWeight')), heap.floats(inputs.get('keyWeight'))] as const;
      y.set(x);
      eachHead(x.length, heads, keyValueHeads, headDim, (start, isKey) => {
        normRow(x, start, weights[isKey], y, attributes.number('epsilon'));
      });
      return result;
    },
  },
  {
    name: 'EspalierQueryKeyNormGrad',
    compute: (inputs, attributes, heap) => {
      const qkv = inputs.get('qkv');
      const { heads, keyValueHeads, headDim } = headSizes(qkv, attributes);
      const outputs = [qkv.shape, [headDim], [headDim]].map((shape) => heap.allocate(shape));
      const [dqkv, ...gradients] = outputs.map((tensor) => heap.floats(tensor));
      const [dy, x] = [heap.floats(inputs.get('dy')), heap.floats(qkv)];
      const weights = [heap.floats(inputs.get('queryWeight')), heap.floats(inputs.get('keyWeight'))] as const;
      const sums = [new Float64Array(headDim), new Float64Array(headDim)] as const;
      dqkv!.set(dy);
      eachHead(x.length, heads, keyValueHeads, headDim, (start, isKey) => {
        normRowGradient({ dy, x, weight: weights[isKey] }, start, dqkv!, sums[isKey], attributes.number('epsilon'));
      });
      for (const [index, gradient] of gradients.entries()) gradient.set(sums[index]!);
      return outputs;
    },
  },
];

/** Visits the start of each query head (0) and key head (1) in each row. */
function eachHead(
  length: number,
  heads: number,
  keyValueHeads: number,
  headDim: number,
  visit: (start: number, isKey: 0 | 1) => void,
): void {
  for (let row = 0; row < length; row += (heads + 2 * keyValueHeads) * headDim) {
    for (let head = 0; head < heads + keyValueHeads; head++) visit(row + head * headDim, head < heads ? 0 : 1);
  }
}
