import { tf } from '../../../core/index.js';
import { type Activation, activation, activationIn } from './activation.js';
import { at, firstOf, type Op, runKernel, runKernelForAll } from './kernel.js';

/**
 * Gated linear unit of an MLP: activation(`gate`) · `up`, elementwise; both of one shape, any. Both are projections of
 * the MLP's input.
 * Source: Shazeer, "GLU variants improve transformer", 2020, section 2.
 */
export function gated<T extends tf.Tensor>(gate: T, up: T, kind: Activation): T {
  tf.util.assertShapesMatch(gate.shape, up.shape, `gated ${kind}: `);
  return runKernel<T>('EspalierGated', { gate, up }, { kind });
}

/** Returns silu(gate) · up, elementwise; both of one shape, any. Source: see `gated`. */
export function swiglu<T extends tf.Tensor>(gate: T, up: T): T {
  return gated(gate, up, 'silu');
}

/** Returns gelu(gate) · up, elementwise; both of one shape, any. Source: see `gated`. @param form which GELU */
export function geglu<T extends tf.Tensor>(gate: T, up: T, form: 'gelu' | 'gelu_tanh' = 'gelu'): T {
  return gated(gate, up, form);
}

export const gatedOp: Op = {
  kernels: [
    {
      name: 'EspalierGated',
      compute: (inputs, attributes) =>
        tf.mul(activation(inputs.get('gate'), activationIn(attributes)), inputs.get('up')),
    },
    {
      name: 'EspalierGatedGrad',
      compute: (inputs, attributes) => {
        const [dy, gate, up] = [inputs.get('dy'), inputs.get('gate'), inputs.get('up')];
        const kind = activationIn(attributes);
        return [
          runKernel('EspalierActivationGrad', { dy: tf.mul(dy, up), x: gate }, { kind }),
          tf.mul(dy, activation(gate, kind)),
        ];
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierGated',
      inputsToSave: ['gate', 'up'],
      gradFunc: (dys, saved, attributes) => {
        const inputs = { dy: firstOf(dys), gate: at(saved, 0), up: at(saved, 1) };
        const gradients = runKernelForAll('EspalierGatedGrad', inputs, attributes);
        return { gate: () => at(gradients, 0), up: () => at(gradients, 1) };
      },
    },
  ],
};
