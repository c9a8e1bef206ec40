import { tf } from '../../../core/index.js';
import type { LinearOptions } from './linear.js';
import { at, firstOf, type Op, present, runKernel } from './kernel.js';

/**
 * gelu(`x`) [..., in] · `weight` [in, out] (+ bias) (+ residual) → [..., out]: the second half of an MLP.
 * One operation, so that an engine need not keep gelu(x) for the gradient.
 */
export function geluLinear<T extends tf.Tensor>(
  x: T,
  weight: tf.Tensor,
  { bias, residual }: Pick<LinearOptions, 'bias' | 'residual'> = {},
): T {
  return runKernel<T>('EspalierGeluLinear', present({ x, weight, bias, residual }));
}

export const geluLinearOp: Op = {
  kernels: [
    {
      name: 'EspalierGeluLinear',
      compute: (inputs) => {
        const [bias, residual] = [inputs.optional('bias'), inputs.optional('residual')];
        return runKernel(
          'EspalierLinear',
          present({ x: geluOf(inputs.get('x')), weight: inputs.get('weight'), bias, residual }),
        );
      },
    },
    {
      name: 'EspalierGeluLinearInputGrad',
      compute: (inputs) => {
        const [dy, weight, x] = [inputs.get('dy'), inputs.get('weight'), inputs.get('x')];
        return runKernel('EspalierGeluGrad', { dy: runKernel('EspalierLinearInputGrad', { dy, weight }), x });
      },
    },
    {
      name: 'EspalierGeluLinearWeightGrad',
      compute: (inputs) => runKernel('EspalierLinearWeightGrad', { x: geluOf(inputs.get('x')), dy: inputs.get('dy') }),
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierGeluLinear',
      inputsToSave: ['x', 'weight'],
      gradFunc: (dys, saved) => {
        const [dy, x, weight] = [firstOf(dys), at(saved, 0), at(saved, 1)];
        return {
          x: () => runKernel('EspalierGeluLinearInputGrad', { dy, weight, x }),
          weight: () => runKernel('EspalierGeluLinearWeightGrad', { x, dy }),
          bias: () => runKernel('EspalierLinearBiasGrad', { dy }),
          residual: () => tf.clone(dy),
        };
      },
    },
  ],
};

function geluOf(x: tf.Tensor): tf.Tensor {
  return runKernel('EspalierGelu', { x });
}
