import { tf } from '../../../core/index.js';
import { asRows, at, firstOf, lastSize, type Op, present, runKernel } from './kernel.js';

export interface LinearOptions {
  /** [out]; added to every row. */
  bias?: tf.Tensor | undefined;
  /** True if the weight is [out, in], like a token embedding that also serves as the output head. */
  transposeWeight?: boolean;
  /** [..., out]; added to the result. */
  residual?: tf.Tensor | undefined;
}

/** Returns `x` [..., in] · `weight` [in, out] (+ bias) (+ residual) → [..., out]. */
export function linear<T extends tf.Tensor>(x: T, weight: tf.Tensor, options: LinearOptions = {}): T {
  const { bias, residual, transposeWeight = false } = options;
  return runKernel<T>('EspalierLinear', present({ x, weight, bias, residual }), { transposeWeight });
}

export const linearOp: Op = {
  kernels: [
    {
      name: 'EspalierLinear',
      compute: (inputs, attributes) => {
        const [x, weight, bias] = [inputs.get('x'), inputs.get('weight'), inputs.optional('bias')];
        const transpose = attributes.flag('transposeWeight');
        const product = tf.matMul(asRows(x), weight, false, transpose);
        const rows = bias === undefined ? product : tf.add(product, bias);
        const y = tf.reshape(rows, [...x.shape.slice(0, -1), at(weight.shape, transpose ? 0 : 1)]);
        const residual = inputs.optional('residual');
        return residual === undefined ? y : tf.add(y, residual);
      },
    },
    {
      name: 'EspalierLinearInputGrad',
      compute: (inputs, attributes) => {
        const [dy, weight] = [inputs.get('dy'), inputs.get('weight')];
        const transpose = attributes.flag('transposeWeight');
        const dx = tf.matMul(asRows(dy), weight, false, !transpose);
        return tf.reshape(dx, [...dy.shape.slice(0, -1), lastSize(dx)]);
      },
    },
    {
      name: 'EspalierLinearWeightGrad',
      compute: (inputs, attributes) => {
        const [x, dy] = [asRows(inputs.get('x')), asRows(inputs.get('dy'))];
        return attributes.flag('transposeWeight') ? tf.matMul(dy, x, true, false) : tf.matMul(x, dy, true, false);
      },
    },
    { name: 'EspalierLinearBiasGrad', compute: (inputs) => tf.sum(asRows(inputs.get('dy')), 0) },
  ],
  gradients: [
    {
      kernelName: 'EspalierLinear',
      inputsToSave: ['x', 'weight'],
      gradFunc: (dys, saved, attributes) => {
        const [dy, x, weight] = [firstOf(dys), at(saved, 0), at(saved, 1)];
        return {
          x: () => runKernel('EspalierLinearInputGrad', { dy, weight }, attributes),
          weight: () => runKernel('EspalierLinearWeightGrad', { x, dy }, attributes),
          bias: () => runKernel('EspalierLinearBiasGrad', { dy }),
          residual: () => tf.clone(dy),
        };
      },
    },
  ],
};
