import { tf } from '../../../core/index.js';
import { at, Attributes, firstOf } from '../operations/kernel.js';
import { asNumbers, summedTo } from './elementwise-gradients.js';

/** Gradients of operations that sum, select or rearrange elements. */
export const reductionGradients: readonly tf.GradConfig[] = [
  {
    kernelName: 'BatchMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc: (dys, saved, attributes) => {
      const [dy, a, b] = [firstOf(dys), at(saved, 0), at(saved, 1)];
      const [ofA, ofB] = [attributes['transposeA'] === true, attributes['transposeB'] === true];
      // A batch axis of size 1 was broadcast.
      return {
        a: () => summedTo(ofA ? tf.matMul(b, dy, ofB, true) : tf.matMul(dy, b, false, !ofB), a.shape),
        b: () => summedTo(ofB ? tf.matMul(dy, a, true, ofA) : tf.matMul(a, dy, !ofA, false), b.shape),
      };
    },
  },
  reduction('Sum', 'axis', (dy, x) => tf.mul(dy, tf.onesLike(x))),
  reduction('Mean', 'axis', (dy, x) => tf.div(tf.mul(dy, tf.onesLike(x)), x.size / dy.size)),
  extreme('Max'),
  extreme('Min'),
  {
    kernelName: 'Softmax',
    outputsToSave: [true],
    gradFunc: (dys, saved, attributes) => {
      const [dy, y, axis] = [firstOf(dys), at(saved, 0), new Attributes(attributes).number('dim')];
      const weighted = tf.mul(dy, y);
      return { logits: () => tf.sub(weighted, tf.mul(tf.sum(weighted, axis, true), y)) };
    },
  },
  {
    kernelName: 'Cumsum',
    gradFunc: (dys, _saved, attributes) => {
      const given = new Attributes(attributes);
      const [axis, exclusive, reverse] = [given.number('axis'), given.flag('exclusive'), given.flag('reverse')];
      return { x: () => tf.cumsum(firstOf(dys), axis, exclusive, !reverse) };
    },
  },
  {
    kernelName: 'Select',
    inputsToSave: ['condition'],
    gradFunc: (dys, saved) => {
      const [dy, isSo] = [firstOf(dys), asNumbers(at(saved, 0))];
      return {
        condition: () => tf.zerosLike(isSo),
        t: () => tf.mul(dy, isSo),
        e: () => tf.mul(dy, tf.sub(1, isSo)),
      };
    },
  },
  {
    kernelName: 'GatherV2',
    inputsToSave: ['x', 'indices'],
    gradFunc: (dys, saved, attributes) => {
      const [dy, x, indices] = [firstOf(dys), at(saved, 0), at(saved, 1)];
      const given = new Attributes(attributes);
      const batchDims = given.has('batchDims') ? given.number('batchDims') : 0;
      return { x: () => scattered(dy, x.shape, indices, axisIn(given.number('axis'), x), batchDims) };
    },
  },
];

/**
 * Sums the gradients of the copies of each slice along an axis.
 * @param batchDims leading axes that the indices share with the tensor they index
 */
function scattered(dy: tf.Tensor, shape: number[], indices: tf.Tensor, axis: number, batchDims: number): tf.Tensor {
  const batch = sizeOf(shape.slice(0, batchDims));
  const outer = sizeOf(shape.slice(batchDims, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const count = at(shape, axis);
  const each = indices.size / batch;
  const rows = tf.reshape(withSecondFirst(dy, [batch, outer, each, inner]), [batch * each, outer * inner]);
  const ids = tf.reshape(indices, [batch, each]);
  const firsts = (): tf.Tensor => tf.mul(tf.range(0, batch, 1, 'int32'), tf.scalar(count, 'int32'));
  const places = batch === 1 ? ids : tf.add(ids, tf.expandDims(firsts(), 1));
  // scatterND sums repeated rows, and every backend has it (wasm lacks UnsortedSegmentSum).
  const sums = tf.scatterND(tf.reshape(places, [-1, 1]), rows, [batch * count, outer * inner]);
  return tf.reshape(withSecondFirst(sums, [batch, count, outer, inner]), shape);
}

/** Reshapes `x` and swaps its second and third axes. */
function withSecondFirst(x: tf.Tensor, shape: [number, number, number, number]): tf.Tensor {
  const whole = tf.reshape(x, shape);
  return shape[1] === 1 || shape[2] === 1 ? whole : tf.transpose(whole, [0, 2, 1, 3]);
}

/** @param way receives the output's gradient with the reduced axes kept at size 1, and those axes */
export function reduction(
  kernelName: string,
  axes: string,
  way: (dy: tf.Tensor, x: tf.Tensor, axes: number[]) => tf.Tensor,
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['x'],
    gradFunc: (dys, saved, attributes) => {
      const x = at(saved, 0);
      const kept = keptShape(x, new Attributes(attributes).numbers(axes));
      const reduced = x.shape.flatMap((size, axis) => (kept[axis] === size ? [] : [axis]));
      return { x: () => way(tf.reshape(firstOf(dys), kept), x, reduced) };
    },
  };
}

/** Every element equal to the maximum (minimum) gets the whole gradient, as in TensorFlow.js. */
function extreme(kernelName: 'Max' | 'Min'): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['x'],
    outputsToSave: [true],
    gradFunc: (dys, saved, attributes) => {
      const [x, y] = [at(saved, 0), at(saved, 1)];
      const given = new Attributes(attributes);
      const kept = keptShape(x, given.numbers(given.has('reductionIndices') ? 'reductionIndices' : 'axis'));
      return {
        x: () => tf.mul(tf.reshape(firstOf(dys), kept), asNumbers(tf.equal(x, tf.reshape(y, kept)))),
      };
    },
  };
}

/** @param axes an empty list means all axes */
function keptShape(x: tf.Tensor, axes: readonly number[]): number[] {
  const reduced = axes.map((axis) => axisIn(axis, x));
  return x.shape.map((size, axis) => (reduced.length === 0 || reduced.includes(axis) ? 1 : size));
}

export function axisIn(axis: number, x: tf.Tensor): number {
  return axis < 0 ? axis + x.rank : axis;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
