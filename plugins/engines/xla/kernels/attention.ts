import { type HeadSizes, headSizes } from '../../../ops/contract.js';
import type { KernelCall, XlaKernel } from '../kernel.js';
import type { Graph } from '../stablehlo/graph.js';
import type { Value } from '../stablehlo/program.js';
import { fusedAttention, fusedAttentionGrad } from './cudnn.js';
import { maskFactors, maskNumbers } from './dropout.js';
import { partsOf } from './heads.js';
import { runningOf } from './reductions.js';

// The composite's value: far below any score, but finite.
const MASKED = -1e30;

/** Queries, keys and values as [batch, keyValueHeads, …]; the query heads of a group are stacked along time. */
interface Heads {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

const forward: XlaKernel['lower'] = (call) => {
  const sizes = headSizes(call.inputs.get('qkv'), call.attributes);
  return fusedAttention(call, sizes) ?? plainAttention(call, sizes);
};

function plainAttention(call: KernelCall, sizes: HeadSizes): Value[] {
  const { graph } = call;
  const { q, k, v } = headsOf(call, sizes);
  const scores = maskedScores(call, q, k, sizes);
  const most = kept(graph.largest(scores, [3]), graph);
  const weights = graph.elementwise('exponential', graph.sub(scores, most));
  const sum = kept(graph.sum(weights, [3]), graph);
  const factors = maskFactors(call, weights);
  const dropped = factors === undefined ? weights : graph.mul(weights, factors);
  // Normalize after the product, where there are fewer numbers to divide.
  const y = graph.div(ofHeads(graph, times(graph, inGroups(graph, dropped, sizes), v), sizes), sum);
  const logSum = graph.add(most, graph.elementwise('log', sum));
  return [joinHeads(graph, y), graph.reshape(logSum, logSum.shape.slice(0, 3))];
}

/** Causal attention as the composites of the family `ops` compute it; weights [time, time] may be in memory. */
export const attentionKernels: readonly XlaKernel[] = [
  { name: 'EspalierCausalAttention', varying: maskNumbers, lower: forward },
  { name: 'EspalierDocumentAttention', varying: maskNumbers, lower: forward },
  {
    name: 'EspalierCausalAttentionGrad',
    varying: maskNumbers,
    lower: (call) => {
      const { graph } = call;
      const sizes = headSizes(call.inputs.get('qkv'), call.attributes);
      const fused = fusedAttentionGrad(call, sizes);
      if (fused !== undefined) return fused;
      const { q, k, v } = headsOf(call, sizes);
      const dy = inGroups(graph, splitHeads(graph, call.get('dy'), sizes.heads), sizes);
      const scores = maskedScores(call, q, k, sizes);
      const weights = graph.elementwise('exponential', graph.sub(scores, kept(call.get('logSum'), graph)));
      const factors = maskFactors(call, weights);
      const dropped = factors === undefined ? weights : graph.mul(weights, factors);
      const dDropped = ofHeads(graph, product(graph, dy, v, 3, 3), sizes);
      const dWeights = factors === undefined ? dDropped : graph.mul(dDropped, factors);
      // Divide by the sum of the recomputed weights, as the composite does.
      const sums = graph.sum(weights, [3]);
      const means = kept(graph.div(graph.sum(graph.mul(dWeights, weights), [3]), sums), graph);
      const dScores = inGroups(graph, graph.mul(weights, graph.sub(dWeights, means)), sizes);
      const scale = 1 / Math.sqrt(sizes.headDim);
      const dq = ofHeads(graph, graph.mul(times(graph, dScores, k), scale), sizes);
      // Rows include the heads of a group, so these products also sum over heads.
      const dk = graph.mul(product(graph, dScores, q, 2, 2), scale);
      const dv = product(graph, inGroups(graph, dropped, sizes), dy, 2, 2);
      return graph.concat(
        [dq, dk, dv].map((x) => joinHeads(graph, x)),
        2,
      );
    },
  },
  {
    name: 'EspalierNextAttention',
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
      const [ofKeys, ofValues] = [keys!, values!].map((x) => splitHeads(graph, x, keyValueHeads));
      const scores = product(graph, graph.mul(groups, 1 / Math.sqrt(headDim)), ofKeys!, 3, 3);
      const places = graph.iota(3, { shape: scores.shape, type: 'i32' });
      const isLater = graph.compare('GT', places, graph.broadcast(position, scores.shape));
      const masked = graph.select(isLater, graph.numbers(MASKED, scores), scores);
      const weights = graph.elementwise('exponential', graph.sub(masked, kept(graph.largest(masked, [3]), graph)));
      const y = graph.div(times(graph, weights, ofValues!), kept(graph.sum(weights, [3]), graph));
      if (capacity === 0) return undefined;
      return [graph.reshape(y, [texts, heads * headDim]), keys!, values!];
    },
  },
];

function headsOf(call: KernelCall, sizes: HeadSizes): Heads {
  const { graph } = call;
  const [q, k, v] = partsOf(graph, call.get('qkv'), sizes);
  return {
    q: inGroups(graph, splitHeads(graph, q!, sizes.heads), sizes),
    k: splitHeads(graph, k!, sizes.keyValueHeads),
    v: splitHeads(graph, v!, sizes.keyValueHeads),
  };
}

/** [batch, heads, time, time] */
function maskedScores(call: KernelCall, q: Value, k: Value, sizes: HeadSizes): Value {
  const { graph } = call;
  const scaled = graph.mul(q, 1 / Math.sqrt(sizes.headDim));
  const scores = ofHeads(graph, product(graph, scaled, k, 3, 3), sizes);
  const form = { shape: scores.shape, type: 'i32' } as const;
  const isLater = graph.compare('GT', graph.iota(3, form), graph.iota(2, form));
  const documents = call.optional('documents');
  const isHidden =
    documents === undefined || documents.shape[1] === 1
      ? isLater
      : graph.elementwise('or', isLater, isOther(graph, documents));
  return graph.select(isHidden, graph.numbers(MASKED, scores), scores);
}

/** Returns [batch, 1, time, time]: whether query and key belong to different documents. */
function isOther(graph: Graph, documents: Value): Value {
  const [batch = 0, time = 0] = documents.shape;
  const [before, after] = [0, 1].map((first) => graph.part(documents, 1, first, time - 1));
  // Number the runs of equal ids: a later run may reuse an id.
  const begins = graph.pad(graph.convert(graph.compare('NE', before!, after!), 'i32'), [0, 1], [0, 0], 0);
  const runs = runningOf(graph, begins, 1, 'add', 0);
  return graph.compare('NE', graph.reshape(runs, [batch, 1, time, 1]), graph.reshape(runs, [batch, 1, 1, time]));
}

/** Batched matrix product of a and b. */
function times(graph: Graph, a: Value, b: Value): Value {
  return product(graph, a, b, 3, 2);
}

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

/** [batch, heads, time, columns] → [batch, keyValueHeads, group · time, columns] */
function inGroups(graph: Graph, x: Value, { heads, keyValueHeads }: HeadSizes): Value {
  const [batch = 0, , time = 0, columns = 0] = x.shape;
  return graph.reshape(x, [batch, keyValueHeads, (heads / keyValueHeads) * time, columns]);
}

/** [batch, keyValueHeads, group · time, columns] → [batch, heads, time, columns] */
function ofHeads(graph: Graph, x: Value, { heads, keyValueHeads }: HeadSizes): Value {
  const [batch = 0, , rows = 0, columns = 0] = x.shape;
  return graph.reshape(x, [batch, heads, (rows * keyValueHeads) / heads, columns]);
}

/** [batch, time, width] → [batch, heads, time, width / heads] */
function splitHeads(graph: Graph, x: Value, heads: number): Value {
  const [batch = 0, time = 0, width = 0] = x.shape;
  return graph.transpose(graph.reshape(x, [batch, time, heads, width / heads]), [0, 2, 1, 3]);
}

/** [batch, heads, time, headDim] → [batch, time, heads · headDim] */
function joinHeads(graph: Graph, x: Value): Value {
  const [batch = 0, heads = 0, time = 0, headDim = 0] = x.shape;
  return graph.reshape(graph.transpose(x, [0, 2, 1, 3]), [batch, time, heads * headDim]);
}
