import { tf } from '../../../../core/index.js';
import type { KernelCall, Kernels, Lower } from '../kernel.js';
import { allAxes, type Graph, sizeOf } from '../stablehlo/graph.js';
import type { Element, Value } from '../stablehlo/program.js';

type Reduce = (g: Graph, x: Value, axes: readonly number[]) => Value;

/** Reductions along axes, and cumulative ones. */
export const reductionKernels: Kernels = {
  Sum: reduction((g, x, axes) => g.sum(asNumbers(g, x), axes)),
  Mean: reduction((g, x, axes) => {
    const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
    return g.div(g.sum(g.convert(x, 'f32'), axes), count);
  }),
  Prod: reduction((g, x, axes) => g.reduce(asNumbers(g, x), axes, 'multiply', 1)),
  Max: reduction((g, x, axes) => g.largest(x, axes), ['f32', 'i32'], 'reductionIndices'),
  Min: reduction((g, x, axes) => g.smallest(x, axes), ['f32', 'i32']),
  All: reduction((g, x, axes) => g.reduce(x, axes, 'and', 1), ['i1']),
  Any: reduction((g, x, axes) => g.reduce(x, axes, 'or', 0), ['i1']),
  ArgMax: placeOfExtreme((g, x, axes) => g.largest(x, axes)),
  ArgMin: placeOfExtreme((g, x, axes) => g.smallest(x, axes)),
  Softmax: (call) => {
    const { graph } = call;
    const x = call.get('logits');
    const axis = tf.util.parseAxisParam(call.attributes.number('dim'), [...x.shape]);
    if (x.type !== 'f32') return undefined;
    const kept = x.shape.map((size, each) => (axis.includes(each) ? 1 : size));
    const exponentials = graph.elementwise('exponential', graph.sub(x, graph.reshape(graph.largest(x, axis), kept)));
    return graph.div(exponentials, graph.reshape(graph.sum(exponentials, axis), kept));
  },
  Cumsum: running('add', 0),
  Cumprod: running('multiply', 1),
};

function reduction(reduce: Reduce, types: readonly Element[] = ['f32', 'i32', 'i1'], attribute = 'axis'): Lower {
  return (call) => {
    const x = call.get('x');
    const axes = axesOf(call, x, attribute);
    if (!types.includes(x.type) || sizeOf(x.shape) === 0) return undefined;
    const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const y = reduce(call.graph, x, axes);
    return call.attributes.flag('keepDims') ? call.graph.reshape(y, kept) : y;
  };
}

function placeOfExtreme(extreme: Reduce): Lower {
  return (call) => {
    const { graph } = call;
    const x = call.get('x');
    const [axis] = axesOf(call, x, 'axis');
    if (axis === undefined || x.type === 'i1' || sizeOf(x.shape) === 0) return undefined;
    const most = graph.reshape(extreme(graph, x, [axis]), x.shape.with(axis, 1));
    const form = { shape: x.shape, type: 'i32' } as const;
    // The first match; the last place if nothing matches, which happens with NaN.
    const last = graph.constant(x.shape[axis]! - 1, form);
    return graph.smallest(graph.select(graph.compare('EQ', x, most), graph.iota(axis, form), last), [axis]);
  };
}

function running(combine: string, start: number): Lower {
  return (call) => {
    const { graph, attributes } = call;
    const given = call.get('x');
    const [axis] = tf.util.parseAxisParam(attributes.number('axis'), [...given.shape]);
    if (axis === undefined || given.type === 'i1' || sizeOf(given.shape) === 0) return undefined;
    const isReverse = attributes.flag('reverse');
    const x = isReverse ? graph.reverse(given, [axis]) : given;
    const y = runningOf(graph, x, axis, combine, start, attributes.flag('exclusive'));
    return isReverse ? graph.reverse(y, [axis]) : y;
  };
}

/** Combines each element with all before it along an axis; `exclusive` leaves out the element itself. */
export function runningOf(
  graph: Graph,
  x: Value,
  axis: number,
  combine: string,
  start: number,
  exclusive = false,
): Value {
  const size = x.shape[axis]!;
  const along = (number: number): string => x.shape.map((_, each) => (each === axis ? number : 1)).join(', ');
  const padding = x.shape.map((_, each) => (each === axis ? `[${String(size - 1)}, 0]` : '[0, 0]')).join(', ');
  const ones = x.shape.map(() => 1).join(', ');
  const attributes = [
    `window_dimensions = array<i64: ${along(size)}>`,
    `window_strides = array<i64: ${ones}>`,
    `padding = dense<[${padding}]> : tensor<${String(x.shape.length)}x2xi64>`,
  ].join(', ');
  const first = graph.constant(start, { shape: [], type: x.type });
  const form = { shape: x.shape, type: x.type };
  const y = graph.operation('reduce_window', [x, first], form, attributes, graph.combining(combine, x.type));
  if (!exclusive) return y;
  const low = x.shape.map((_, each) => (each === axis ? 1 : 0));
  return graph.pad(
    graph.part(y, axis, 0, size - 1),
    low,
    x.shape.map(() => 0),
    start,
  );
}

/** Returns all axes if none are given, and none for an empty list. */
function axesOf({ attributes }: KernelCall, x: Value, name: string): number[] {
  const isGiven = attributes.isList(name) || attributes.isNumber(name);
  return tf.util.parseAxisParam(isGiven ? attributes.numbers(name) : allAxes(x), [...x.shape]);
}

/** Booleans are summed as 0 and 1. */
function asNumbers(graph: Graph, x: Value): Value {
  return x.type === 'i1' ? graph.convert(x, 'i32') : x;
}
