import type { NativeKernel } from '../backend.js';

/** TensorFlow.js's own operations that a training step needs besides ours. */
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
