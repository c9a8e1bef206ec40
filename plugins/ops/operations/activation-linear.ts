import { tf } from '../../../core/index.js';
import { type Activation, activation, activationIn } from './activation.js';
import type { LinearOptions } from './linear.js';
import { at, firstOf, type Op, present, runKernel } from './kernel.js';

/**
 * Returns activation(`x`) [..., in] · `weight` [in, out] (+ bias) (+ residual) → [..., out]: the second half of an MLP.
 * One operation, so that an engine need not keep the activation's output for the gradient.
 */
export function activationLinear<T extends tf.Tensor>(
  x: T,
  kind: Activation,
  weight: tf.Tensor,
  { bias, residual }: Pick<LinearOptions, 'bias' | 'residual'> = {},
): T {
  return runKernel<T>('EspalierActivationLinear', present({ x, weight, bias, residual }), { kind });
}

/** `activationLinear` with the exact GELU. */
export function geluLinear<T extends tf.Tensor>(
  x: T,
  weight: tf.Tensor,
  options: Pick<LinearOptions, 'bias' | 'residual'> = {},
): T {
  return activationLinear(x, 'gelu', weight, options);
}

export const activationLinearOp: Op = {
  kernels: [
    {
      name: 'EspalierActivationLinear',
      compute: (inputs, attributes) => {
        const x = activation(inputs.get('x'), activationIn(attributes));
        const [bias, residual] = [inputs.optional('bias'), inputs.optional('residual')];
        return runKernel('EspalierLinear', present({ x, weight: inputs.get('weight'), bias, residual }));
      },
    },
    {
      name: 'EspalierActivationLinearInputGrad',
      compute: (inputs, attributes) => {
        const dy = runKernel('EspalierLinearInputGrad', { dy: inputs.get('dy'), weight: inputs.get('weight') });
        return runKernel('EspalierActivationGrad', { dy, x: inputs.get('x') }, { kind: activationIn(attributes) });
      },
    },
    {
      name: 'EspalierActivationLinearWeightGrad',
      compute: (inputs, attributes) => {
        const x = activation(inputs.get('x'), activationIn(attributes));
        return runKernel('EspalierLinearWeightGrad', { x, dy: inputs.get('dy') });
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierActivationLinear',
      inputsToSave: ['x', 'weight'],
      gradFunc: (dys, saved, attributes) => {
        const [dy, x, weight] = [firstOf(dys), at(saved, 0), at(saved, 1)];
        return {
          x: () => runKernel('EspalierActivationLinearInputGrad', { dy, weight, x }, attributes),
          weight: () => runKernel('EspalierActivationLinearWeightGrad', { x, dy }, attributes),
          bias: () => runKernel('EspalierLinearBiasGrad', { dy }),
          residual: () => tf.clone(dy),
        };
      },
    },
  ],
};
