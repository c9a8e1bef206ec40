import { tf } from '../../../../core/index.js';
import { elementOf, isNumberType, type KernelCall, type Kernels, type Lower } from '../kernel.js';
import { type Graph, list, sizeOf } from '../stablehlo/graph.js';
import type { Value } from '../stablehlo/program.js';

/**
 * Gather, scatter and fill kernels. The device cannot report an index out of range: reads take the nearest slice, and
 * writes are dropped. A recorded pass checks the indices that the host gives it.
 */
export const indexedKernels: Kernels = {
  GatherV2: {
    indexes: (inputs, attributes) => {
      const { shape } = inputs.get('x');
      return [inputs.get('indices'), shape[tf.util.parseAxisParam(attributes.number('axis'), shape)[0]!]!];
    },
    lower: (call) => {
      const { graph, attributes, inputs } = call;
      const [given, indices] = [inputs.get('x'), inputs.get('indices')];
      const axis = tf.util.parseAxisParam(attributes.number('axis'), given.shape)[0]!;
      const batchDims = attributes.has('batchDims') ? attributes.number('batchDims') : 0;
      const found = tf.backend_util.segment_util.collectGatherOpShapeInfo(given, indices, axis, batchDims);
      const { batchSize, outerSize, dimSize, sliceSize, outputShape } = found;
      if (batchSize * outerSize * sliceSize * dimSize === 0 || indices.dtype !== 'int32') return undefined;
      const count = indices.size / batchSize;
      const x = graph.reshape(call.get('x'), [batchSize, outerSize, dimSize, sliceSize]);
      // Flat row numbers over [batch · slices].
      const rows = graph.reshape(graph.transpose(x, [0, 2, 1, 3]), [batchSize * dimSize, outerSize * sliceSize]);
      const form = { shape: [batchSize, count], type: 'i32' } as const;
      const ids = graph.min(graph.max(graph.reshape(call.get('indices'), form.shape), 0), dimSize - 1);
      const numbers = graph.add(ids, graph.mul(graph.iota(0, form), dimSize));
      const taken = rowsOf(graph, rows, graph.reshape(numbers, [batchSize * count, 1]), 1);
      const parts = graph.reshape(taken, [batchSize, count, outerSize, sliceSize]);
      return graph.reshape(graph.transpose(parts, [0, 2, 1, 3]), outputShape);
    },
  },
  GatherNd: (call) => {
    const [x, indices] = [call.inputs.get('params'), call.inputs.get('indices')];
    const [shape, count] = tf.backend_util.prepareAndValidate(x, indices);
    if (count === 0 || x.size === 0 || indices.dtype !== 'int32') return undefined;
    const depth = indices.shape.at(-1)!;
    const ids = call.graph.reshape(call.get('indices'), [count, depth]);
    return call.graph.reshape(rowsOf(call.graph, call.get('params'), ids, depth), shape);
  },
  ScatterNd: (call) => {
    const shape = call.attributes.numbers('shape');
    const { type } = call.get('updates');
    if (type === 'i1') return undefined;
    return scattered(call, call.graph.constant(0, { shape, type }), shape, 'add');
  },
  TensorScatterUpdate: (call) => {
    const x = call.get('tensor');
    return x.type === call.get('updates').type ? scattered(call, x, x.shape, undefined) : undefined;
  },
  UnsortedSegmentSum: (call) => {
    const { graph } = call;
    const [x, ids] = [call.get('x'), call.get('segmentIds')];
    if (x.type !== 'f32' || ids.shape.length !== 1 || sizeOf(x.shape) === 0) return undefined;
    const shape = [call.attributes.number('numSegments'), ...x.shape.slice(1)];
    const zeros = graph.constant(0, { shape, type: 'f32' });
    return scatter(graph, zeros, graph.reshape(ids, [x.shape[0]!, 1]), x, 'add');
  },
  OneHot: (call) => {
    const { graph, attributes } = call;
    const [ids, dtype] = [call.get('indices'), attributes.text('dtype') ?? 'int32'];
    if (ids.type !== 'i32' || !isNumberType(dtype)) return undefined;
    const shape = [...ids.shape, attributes.number('depth')];
    const places = graph.iota(ids.shape.length, { shape, type: 'i32' });
    const wanted = graph.broadcastFirst(ids, shape);
    const [on, off] = ['onValue', 'offValue'].map((name) =>
      graph.constant(attributes.number(name), { shape, type: elementOf(dtype) }),
    );
    return graph.select(graph.compare('EQ', places, wanted), on!, off!);
  },
  TopK: (call) => {
    const { graph } = call;
    const [x, k] = [call.get('x'), call.attributes.number('k')];
    const axis = x.shape.length - 1;
    if (x.type === 'i1' || sizeOf(x.shape) === 0 || k > x.shape[axis]!) return undefined;
    const form = { shape: x.shape, type: 'i32' } as const;
    const descending = graph.region([x.type, x.type, 'i32', 'i32'], ([a, b]) => graph.compare('GT', a!, b!));
    const how = `dimension = ${String(axis)} : i64, is_stable = true`;
    const sorted = graph.operations('sort', [x, graph.iota(axis, form)], [x, form], how, descending);
    return sorted.map((values) => graph.part(values, axis, 0, k));
  },
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Fill: ({ graph, attributes }) => {
    if (!attributes.isNumber('value')) return undefined;
    const value = attributes.number('value');
    const dtype = attributes.text('dtype') ?? tf.util.inferDtype(value);
    if (!isNumberType(dtype)) return undefined;
    return graph.constant(value, { shape: attributes.numbers('shape'), type: elementOf(dtype) });
  },
};

function filled(value: number): Lower {
  return (call) => call.graph.constant(value, call.get('x'));
}

/** Gathers slices of x by indices [count, depth] into its first axes: [count, …]. */
function rowsOf(graph: Graph, x: Value, ids: Value, depth: number): Value {
  const [count = 0] = ids.shape;
  const slice = x.shape.slice(depth);
  const axes = Array.from({ length: depth }, (_, axis) => axis);
  const dimensions = [
    `offset_dims = [${slice.map((_, axis) => axis + 1).join(', ')}]`,
    `collapsed_slice_dims = [${axes.join(', ')}]`,
    `start_index_map = [${axes.join(', ')}]`,
    'index_vector_dim = 1',
  ].join(', ');
  const sizes = list([...axes.map(() => 1), ...slice]);
  return graph.operation(
    'gather',
    [x, ids],
    { shape: [count, ...slice], type: x.type },
    `dimension_numbers = #stablehlo.gather<${dimensions}>, slice_sizes = ${sizes}, indices_are_sorted = false`,
  );
}

/** Scatters `updates` into x. @throws Error if shapes do not fit, like TensorFlow.js */
function scattered(
  call: KernelCall,
  x: Value,
  shape: readonly number[],
  combine: string | undefined,
): Value | undefined {
  const [indices, updates] = [call.inputs.get('indices'), call.inputs.get('updates')];
  const { sliceRank, numUpdates } = tf.backend_util.calculateShapes(updates, indices, [...shape]);
  if (indices.dtype !== 'int32' || sizeOf(shape) === 0 || updates.size === 0) return undefined;
  const ids = call.graph.reshape(call.get('indices'), [numUpdates, sliceRank]);
  const rows = [numUpdates, ...shape.slice(sliceRank)];
  if (sizeOf(rows) !== updates.size) return undefined;
  return scatter(call.graph, x, ids, call.graph.reshape(call.get('updates'), rows), combine);
}

/** @param ids [count, depth] @param updates [count, …] @param combine old and new elements; default: keep the new */
function scatter(graph: Graph, x: Value, ids: Value, updates: Value, combine: string | undefined): Value {
  const depth = ids.shape[1]!;
  const axes = Array.from({ length: depth }, (_, axis) => axis).join(', ');
  const dimensions = [
    `update_window_dims = [${updates.shape
      .slice(1)
      .map((_, axis) => axis + 1)
      .join(', ')}]`,
    `inserted_window_dims = [${axes}]`,
    `scatter_dims_to_operand_dims = [${axes}]`,
    'index_vector_dim = 1',
  ].join(', ');
  const body =
    combine === undefined ? graph.region([x.type, x.type], ([, update]) => update!) : graph.combining(combine, x.type);
  const how = 'indices_are_sorted = false, unique_indices = false';
  const attributes = `scatter_dimension_numbers = #stablehlo.scatter<${dimensions}>, ${how}`;
  return graph.operation('scatter', [x, ids, updates], { shape: x.shape, type: x.type }, attributes, body);
}
