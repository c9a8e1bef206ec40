import { tf } from '../tf.js';
import { numbered, runKernel, type Op } from './kernel.js';

/** Square root of the sum of all squares of the tensors; 0 of none. */
export function globalNorm(tensors: readonly tf.Tensor[]): number {
  if (tensors.length === 0) return 0;
  const norm = runKernel<tf.Scalar>('EspalierGlobalNorm', numbered(tensors));
  const value = norm.dataSync<'float32'>()[0];
  norm.dispose();
  return value ?? 0;
}

export const globalNormOp: Op = {
  kernels: [
    {
      name: 'EspalierGlobalNorm',
      compute: (inputs) => tf.sqrt(tf.addN(inputs.all().map((tensor) => tf.sum(tf.square(tensor))))),
    },
  ],
  gradients: [],
};
