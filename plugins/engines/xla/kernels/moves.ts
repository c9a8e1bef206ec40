import { tf } from '../../../../core/index.js';
import type { Kernels } from '../kernel.js';
import { allAxes, list, sizeOf } from '../stablehlo/graph.js';

/** Kernels that only move elements. */
export const moveKernels: Kernels = {
  Slice: {
    // A row of a table: generation reads a different one for each token.
    varying: (attributes, inputs) => {
      const [begin, size] = [attributes.numbers('begin'), attributes.numbers('size')];
      const isRow = inputs.get('x').rank === 2 && size[0] === 1 && begin[1] === 0;
      return isRow ? { instead: ['begin'], numbers: Int32Array.of(begin[0]!) } : undefined;
    },
    lower: (call) => {
      const x = call.inputs.get('x');
      if (call.numbers() !== undefined) {
        const { graph } = call;
        const shape = [1, call.attributes.numbers('size')[1]!].map((size) => (size < 0 ? x.shape[1]! : size));
        const start = [call.number(0), graph.constant(0, { shape: [], type: 'i32' })];
        const value = call.get('x');
        const sizes = `slice_sizes = ${list(shape)}`;
        return graph.operation('dynamic_slice', [value, ...start], { shape, type: value.type }, sizes);
      }
      const [begin = [], size = []] = tf.slice_util.parseSliceParams(
        x,
        call.attributes.numbers('begin'),
        call.attributes.numbers('size'),
      );
      tf.slice_util.assertParamsValid(x, begin, size);
      const limits = begin.map((start, axis) => start + size[axis]!);
      return call.graph.slice(call.get('x'), begin, limits);
    },
  },
  StridedSlice: (call) => {
    const { graph, attributes } = call;
    const { shape } = call.inputs.get('x');
    const [begin, end, strides] = (['begin', 'end', 'strides'] as const).map((name) => attributes.numbers(name));
    const masks = ['beginMask', 'endMask', 'ellipsisMask', 'newAxisMask', 'shrinkAxisMask'] as const;
    const [beginMask, endMask, ellipsis, newAxis, shrink] = masks.map((name) => attributes.number(name));
    const found = tf.slice_util.sliceInfo(
      ...([shape, begin!, end!, strides!, beginMask!, endMask!, ellipsis!, newAxis!, shrink!] as const),
    );
    const x = call.get('x');
    if (found.isIdentity) return graph.reshape(x, found.finalShape);
    const isSimple = found.sliceDim0 || found.isSimpleSlice;
    const sizes = isSimple
      ? tf.slice_util.computeOutShape(found.begin, found.end, found.strides)
      : found.finalShapeSparse;
    if (sizes.some((size) => size <= 0)) return undefined;
    // A negative stride: slice forwards from the last element, then reverse.
    const ranges = sizes.map((size, axis) => {
      const [first, stride] = [found.begin[axis]!, found.strides[axis]!];
      const last = first + (size - 1) * stride;
      return { start: Math.min(first, last), limit: Math.max(first, last) + 1, stride: Math.abs(stride) };
    });
    const part = graph.slice(
      x,
      ranges.map(({ start }) => start),
      ranges.map(({ limit }) => limit),
      ranges.map(({ stride }) => stride),
    );
    const backwards = sizes.flatMap((_, axis) => (found.strides[axis]! < 0 ? [axis] : []));
    return graph.reshape(backwards.length === 0 ? part : graph.reverse(part, backwards), found.finalShape);
  },
  Transpose: (call) => call.graph.transpose(call.get('x'), call.attributes.numbers('perm')),
  Reverse: (call) => {
    const x = call.get('x');
    const dims = call.attributes.has('dims') ? call.attributes.numbers('dims') : allAxes(x);
    const axes = tf.util.parseAxisParam(dims, [...x.shape]);
    return axes.length === 0 ? x : call.graph.reverse(x, axes);
  },
  Tile: (call) => {
    const { graph } = call;
    const [x, repeats] = [call.get('x'), call.attributes.numbers('reps')];
    const wide = x.shape.flatMap((size, axis) => [repeats[axis]!, size]);
    const repeated = graph.broadcast(
      x,
      wide,
      x.shape.map((_, axis) => 2 * axis + 1),
    );
    return graph.reshape(
      repeated,
      x.shape.map((size, axis) => size * repeats[axis]!),
    );
  },
  PadV2: (call) => {
    const paddings = call.attributes.pairs('paddings');
    const [low, high] = [paddings.map(([before]) => before), paddings.map(([, after]) => after)];
    return call.graph.pad(call.get('x'), low, high, call.attributes.number('constantValue'));
  },
  MirrorPad: (call) => {
    const { graph } = call;
    // `reflect` does not repeat the border.
    const skipped = call.attributes.text('mode') === 'reflect' ? 1 : 0;
    return call.attributes.pairs('paddings').reduce((x, [before, after], axis) => {
      const size = x.shape[axis]!;
      const mirrored = (start: number, width: number): typeof x =>
        graph.reverse(graph.part(x, axis, start, width), [axis]);
      const parts = [mirrored(skipped, before), x, mirrored(size - skipped - after, after)];
      return graph.concat(
        parts.filter(({ shape }) => sizeOf(shape) > 0),
        axis,
      );
    }, call.get('x'));
  },
};
