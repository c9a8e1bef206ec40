import { tf } from '../../../../core/index.js';
import type { KernelCall, Kernels } from '../kernel.js';
import { sizeOf } from '../stablehlo/graph.js';
import type { Value } from '../stablehlo/program.js';

/** Products of matrices in batches. */
export const productKernels: Kernels = {
  BatchMatMul: multiplied,
  _FusedMatMul: (call) => {
    const isPlain = (call.attributes.text('activation') ?? 'linear') === 'linear';
    const y = isPlain && call.inputs.optional('preluActivationWeights') === undefined ? multiplied(call) : undefined;
    const bias = call.optional('bias');
    return y === undefined || bias === undefined ? y : call.graph.add(y, bias);
  },
};

function multiplied(call: KernelCall): Value | undefined {
  const { graph, attributes } = call;
  const [a, b] = [call.get('a'), call.get('b')];
  if (a.type !== 'f32' || b.type !== 'f32') return undefined;
  const [ofA, ofB] = [attributes.flag('transposeA'), attributes.flag('transposeB')];
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const [matrixA, matrixB] = [a.shape.slice(-2), b.shape.slice(-2)];
  const shape = [...batch, matrixA[ofA ? 1 : 0]!, matrixB[ofB ? 0 : 1]!];
  if (matrixA[ofA ? 0 : 1] !== matrixB[ofB ? 1 : 0] || sizeOf(a.shape) * sizeOf(b.shape) === 0) return undefined;
  // All batches share one matrix: multiply their rows at once.
  if (!ofA && sizeOf(batchB) === 1) {
    const rows = graph.reshape(a, [sizeOf(a.shape) / matrixA[1]!, matrixA[1]!]);
    const y = graph.product(rows, graph.reshape(b, matrixB), { batch: [], summed: [[1, ofB ? 1 : 0]] });
    return graph.reshape(y, shape);
  }
  const [whole, other] = [
    graph.reshape(graph.broadcast(a, [...batch, ...matrixA]), [sizeOf(batch), ...matrixA]),
    graph.reshape(graph.broadcast(b, [...batch, ...matrixB]), [sizeOf(batch), ...matrixB]),
  ];
  const y = graph.product(whole, other, { batch: [[0, 0]], summed: [[ofA ? 1 : 2, ofB ? 2 : 1]] });
  return graph.reshape(y, shape);
}
