import type { Attributes } from '../../../ops/contract.js';
import type { KernelCall, Varying, Kernels } from '../kernel.js';
import type { Graph } from '../stablehlo/graph.js';
import type { Form, Value } from '../stablehlo/program.js';

const WORD = 2 ** 32;

/** Packs a mask's keys and the 64-bit index of its first element. */
export function maskNumbers(attributes: Attributes): Varying | undefined {
  if (!attributes.has('rate') || attributes.number('rate') === 0) return undefined;
  const [key0, key1, first] = (['key0', 'key1', 'first'] as const).map((name) => attributes.number(name));
  return {
    instead: ['key0', 'key1', 'first'],
    numbers: Int32Array.of(key0!, key1!, first! % WORD, Math.floor(first! / WORD)),
  };
}

export const dropoutKernels: Kernels = {
  EspalierDropout: { varying: maskNumbers, lower: (call) => masked(call, call.get('x')) },
};

/** Multiplies each element by 0 or 1 / (1 - rate), with the bits of `dropoutFactors`; returns x for a rate of 0. */
function masked(call: KernelCall, x: Value): Value {
  const { graph, attributes } = call;
  const rate = attributes.number('rate');
  if (rate === 0) return x;
  const hash = elementHashes(call, x.shape);
  // Comparing integers with a threshold equals comparing with the next integer.
  const isDropped = graph.compare('LT', hash, Math.ceil(rate * WORD));
  return graph.mul(x, graph.select(isDropped, graph.numbers(0, x), graph.numbers(1 / (1 - rate), x)));
}

/** Random bits of each element in row-major order: see `dropoutFactors` of the family `ops`. */
function elementHashes(call: KernelCall, shape: readonly number[]): Value {
  const { graph } = call;
  const form = { shape, type: 'ui32' } as const;
  const [key0, key1, low, high] = [0, 1, 2, 3].map((index) =>
    graph.broadcast(graph.bits(call.number(index), 'ui32'), shape),
  );
  const index = graph.add(places(graph, shape), low!);
  // Carry of the low half of the sum.
  const carry = graph.convert(graph.compare('LT', index, low!), 'ui32');
  const first = mix(graph, graph.elementwise('xor', index, key0!), form);
  return mix(graph, graph.add(graph.add(first, key1!), graph.add(high!, carry)), form);
}

/** Returns each element's index. */
function places(graph: Graph, shape: readonly number[]): Value {
  const form = { shape, type: 'ui32' } as const;
  let step = 1;
  let sum = graph.constant(0, form);
  for (const [axis, size] of [...shape.entries()].toReversed()) {
    sum = graph.add(sum, graph.mul(graph.iota(axis, form), step));
    step *= size;
  }
  return sum;
}

/** Source: see `dropoutFactors`. */
function mix(graph: Graph, value: Value, form: Form): Value {
  const shifted = (x: Value, by: number): Value =>
    graph.elementwise('xor', x, graph.elementwise('shift_right_logical', x, graph.constant(by, form)));
  const once = graph.mul(shifted(value, 16), 0x21f0aaad);
  return shifted(graph.mul(shifted(once, 15), 0x735a2d97), 15);
}
