import { headSizes } from '../../../ops/contract.js';
import type { Kernels } from '../kernel.js';
import type { Graph } from '../stablehlo/graph.js';
import type { Value } from '../stablehlo/program.js';
import { partsOf } from './heads.js';

/** Attention of one position, to keys and values that stay in their memory. */
export const nextAttentionKernels: Kernels = {
  EspalierNextAttention: {
    varying: (attributes) => ({ instead: ['position'], numbers: Int32Array.of(attributes.number('position')) }),
    // Keys and values are updated in place.
    replaces: () => [-1, 1, 2],
    lower: (call) => {
      const { graph } = call;
      const sizes = headSizes(call.inputs.get('qkv'), call.attributes);
      const { heads, keyValueHeads, headDim } = sizes;
      const [q, k, v] = partsOf(graph, call.get('qkv'), sizes);
      const [position, zero] = [call.number(0), graph.constant(0, { shape: [], type: 'i32' })];
      const [keys, values] = [
        [call.get('keys'), k!],
        [call.get('values'), v!],
      ].map(([before, next]) =>
        graph.operation('dynamic_update_slice', [before!, next!, zero, position, zero], before!),
      );
      const [texts = 0, capacity = 0] = keys!.shape;
      const groups = graph.reshape(q!, [texts, keyValueHeads, heads / keyValueHeads, headDim]);
      const [ofKeys, ofValues] = [keys!, values!].map((x) =>
        graph.transpose(graph.reshape(x, [texts, capacity, keyValueHeads, headDim]), [0, 2, 1, 3]),
      );
      const scores = product(graph, graph.mul(groups, 1 / Math.sqrt(headDim)), ofKeys!, 3, 3);
      const places = graph.iota(3, { shape: scores.shape, type: 'i32' });
      const isLater = graph.compare('GT', places, graph.broadcast(position, scores.shape));
      const seen = graph.select(isLater, graph.numbers(-Infinity, scores), scores);
      const weights = graph.elementwise('exponential', graph.sub(seen, kept(graph.largest(seen, [3]), graph)));
      const y = graph.div(product(graph, weights, ofValues!, 3, 2), kept(graph.sum(weights, [3]), graph));
      if (capacity === 0) return undefined;
      return [graph.reshape(y, [texts, heads * headDim]), keys!, values!];
    },
  },
};

/** Batched product, summed over the given axes. */
function product(graph: Graph, a: Value, b: Value, axisOfA: number, axisOfB: number): Value {
  return graph.product(a, b, {
    batch: [
      [0, 0],
      [1, 1],
    ],
    summed: [[axisOfA, axisOfB]],
  });
}

/** Adds a last axis of size 1. */
function kept(x: Value, graph: Graph): Value {
  return graph.reshape(x, [...x.shape, 1]);
}
