import { tf } from '../../../../core/index.js';
import type { KernelCall, Kernels } from '../kernel.js';
import type { Value } from '../stablehlo/program.js';

/** Kernels that join or split tensors along an axis. */
export const joinKernels: Kernels = {
  Concat: (call) => {
    const parts = call.all();
    const shapes = parts.map(({ shape }) => [...shape]);
    const axis = tf.util.parseAxisParam(call.attributes.number('axis'), shapes[0]!)[0]!;
    tf.backend_util.assertParamsConsistent(shapes, axis);
    return areAlike(parts) ? call.graph.concat(parts, axis) : undefined;
  },
  Pack: (call) => {
    const parts = call.all();
    const [first] = parts;
    const given = call.attributes.number('axis');
    const axis = given < 0 ? given + first!.shape.length + 1 : given;
    if (!areAlike(parts)) return undefined;
    return call.graph.concat(
      parts.map((part) => call.graph.reshape(part, part.shape.toSpliced(axis, 0, 1))),
      axis,
    );
  },
  Unpack: (call) => {
    const x = call.get('value');
    const axis = axisOf(call, x);
    const parts = Array.from({ length: x.shape[axis]! }, (_, index) => call.graph.part(x, axis, index, 1));
    return parts.map((part) => call.graph.reshape(part, x.shape.toSpliced(axis, 1)));
  },
  SplitV: (call) => {
    const [x, given] = [call.get('x'), call.attributes.numbers('numOrSizeSplits')];
    const axis = axisOf(call, x);
    const isCount = call.attributes.isNumber('numOrSizeSplits');
    const sizes = tf.backend_util.prepareSplitSize(call.inputs.get('x'), isCount ? given[0]! : given, axis);
    let start = 0;
    return sizes.map((size) => {
      const part = call.graph.part(x, axis, start, size);
      start += size;
      return part;
    });
  },
};

function areAlike(parts: readonly Value[]): boolean {
  return parts.every(({ type }) => type === parts[0]?.type);
}

function axisOf({ attributes }: KernelCall, x: Value): number {
  return tf.util.parseAxisParam(attributes.number('axis'), [...x.shape])[0]!;
}
