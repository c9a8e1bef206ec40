import { tf } from '../../../core/index.js';
import { asRows, at, firstOf, lastSize, type Op, runKernel } from './kernel.js';

/** Looks up rows of `table` [rows, width] for `ids` [batch, time] int32 → [batch, time, width]. */
export function embedding(ids: tf.Tensor2D, table: tf.Tensor): tf.Tensor3D {
  return runKernel<tf.Tensor3D>('EspalierEmbedding', { ids, table }, { rows: at(table.shape, 0) });
}

export const embeddingOp: Op = {
  kernels: [
    { name: 'EspalierEmbedding', compute: (inputs) => tf.gather(inputs.get('table'), inputs.get('ids')) },
    {
      name: 'EspalierEmbeddingGrad',
      compute: (inputs, attributes) => {
        const dy = asRows(inputs.get('dy'));
        const indices = tf.reshape(inputs.get('ids'), [-1, 1]);
        // scatterND sums repeated rows, and every backend has it (wasm lacks UnsortedSegmentSum).
        return tf.scatterND(indices, dy, [attributes.number('rows'), lastSize(dy)]);
      },
    },
  ],
  gradients: [
    {
      kernelName: 'EspalierEmbedding',
      inputsToSave: ['ids'],
      gradFunc: (dys, saved, attributes) => ({
        table: () => runKernel('EspalierEmbeddingGrad', { dy: firstOf(dys), ids: at(saved, 0) }, attributes),
      }),
    },
  ],
};
