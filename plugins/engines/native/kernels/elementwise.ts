import type { NativeKernel } from '../backend.js';

/** The operations of TensorFlow.js itself that join ours in a training step. */
export const elementwiseKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierAccumulate',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const [sum, gradient] = [inputs.get('sum'), inputs.get('gradient')];
      const [before, added] = [backend.floats(sum), backend.floats(gradient)];
      const y = backend.replacing(sum);
      backend.binding.addScaled(sum.size, attributes.number('scale'), before, added, backend.floats(y));
      return y;
    },
  },
];
