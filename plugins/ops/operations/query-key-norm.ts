import { tf } from '../../../core/index.js';
import { headAttributes, type HeadOptions, headSizes, splitQkv } from './heads.js';
import { at, firstOf, type Op, runKernel, runKernelForAll } from './kernel.js';
import { rowsNormed, rowsNormedGradient } from './rms-norm.js';

export interface QueryKeyNormOptions extends HeadOptions {
  /** Added to the mean square. */
  epsilon: number;
}

/**
 * Applies RMS norm to the queries and keys of each head; values are unchanged.
 * Sources: Henry et al., "Query-key normalization for transformers", 2020; as RMS norm with weights, Qwen Team, "Qwen3
 * technical report", 2025, section 2.
 * @param qkv [batch, time, (heads + 2 · keyValueHeads) · headDim]
 * @param queryWeight [headDim], like `keyWeight`
 * @returns the shape of qkv
 */
export function queryKeyNorm(
  qkv: tf.Tensor3D,
  heads: number,
  queryWeight: tf.Tensor,
  keyWeight: tf.Tensor,
  options: QueryKeyNormOptions,
): tf.Tensor3D {
  const attributes = { ...headAttributes(heads, options), epsilon: options.epsilon };
  return runKernel<tf.Tensor3D>('EspalierQueryKeyNorm', { qkv, queryWeight, keyWeight }, attributes);
}

export const queryKeyNormOp: Op = {
  kernels: [
    {
      name: 'EspalierQueryKeyNorm',
      compute: (inputs, attributes) => {
        const [qkv, epsilon] = [inputs.get('qkv'), attributes.number('epsilon')];
        const { q, k, v } = splitQkv(qkv, headSizes(qkv, attributes));
        const normed = [
          rowsNormed(q, inputs.get('queryWeight'), epsilon),
          rowsNormed(k, inputs.get('keyWeight'), epsilon),
        ];
        return tf.concat([...normed, v], -1);
      },
    },
    {
      name: 'EspalierQueryKeyNormGrad',
      compute: (inputs, attributes) => {
        const [qkv, dy, epsilon] = [inputs.get('qkv'), inputs.get('dy'), attributes.number('epsilon')];
        const sizes = headSizes(qkv, attributes);
        const [x, given] = [splitQkv(qkv, sizes), splitQkv(dy, sizes)];
        const [dq, dQueryWeight] = rowsNormedGradient(given.q, x.q, inputs.get('queryWeight'), epsilon);
        const [dk, dKeyWeight] = rowsNormedGradient(given.k, x.k, inputs.get('keyWeight'), epsilon);
        return [tf.concat([dq, dk, given.v], -1), dQueryWeight, dKeyWeight];
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierQueryKeyNorm',
      inputsToSave: ['qkv', 'queryWeight', 'keyWeight'],
      gradFunc: (dys, saved, attributes) => {
        const inputs = { dy: firstOf(dys), qkv: at(saved, 0), queryWeight: at(saved, 1), keyWeight: at(saved, 2) };
        const gradients = runKernelForAll('EspalierQueryKeyNormGrad', inputs, attributes);
        return {
          qkv: () => at(gradients, 0),
          queryWeight: () => at(gradients, 1),
          keyWeight: () => at(gradients, 2),
        };
      },
    },
  ],
};
