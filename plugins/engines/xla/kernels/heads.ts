import type { HeadSizes } from '../../../ops/contract.js';
import type { Graph } from '../stablehlo/graph.js';
import type { Value } from '../stablehlo/program.js';

/** Queries, keys and values [batch, time, heads · headDim]. */
export function partsOf(graph: Graph, qkv: Value, { heads, keyValueHeads, headDim }: HeadSizes): Value[] {
  let start = 0;
  return [heads, keyValueHeads, keyValueHeads].map((count) => {
    const found = graph.part(qkv, 2, start, count * headDim);
    start += count * headDim;
    return found;
  });
}
