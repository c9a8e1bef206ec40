import { tf } from '../tf.js';
import { at, firstOf } from './kernel.js';

/**
 * Gradients of the TensorFlow.js operations that join ours in a model: the npm build of tfjs-core
 * for Node registers none.
 */
export const glueGradients: readonly tf.GradConfig[] = [
  {
    kernelName: 'Add',
    inputsToSave: ['a', 'b'],
    gradFunc: (dys, saved) => {
      const dy = firstOf(dys);
      return { a: () => summedTo(dy, at(saved, 0).shape), b: () => summedTo(dy, at(saved, 1).shape) };
    },
  },
  {
    kernelName: 'Multiply',
    inputsToSave: ['a', 'b'],
    gradFunc: (dys, saved) => {
      const [dy, a, b] = [firstOf(dys), at(saved, 0), at(saved, 1)];
      return { a: () => summedTo(tf.mul(dy, b), a.shape), b: () => summedTo(tf.mul(dy, a), b.shape) };
    },
  },
  {
    kernelName: 'Reshape',
    inputsToSave: ['x'],
    gradFunc: (dys, saved) => ({ x: () => tf.reshape(firstOf(dys), at(saved, 0).shape) }),
  },
  {
    kernelName: 'Slice',
    inputsToSave: ['x'],
    gradFunc: (dys, saved, attributes) => {
      const [dy, { shape }] = [firstOf(dys), at(saved, 0)];
      const begin = Array.isArray(attributes['begin'])
        ? attributes['begin'].map(Number)
        : [Number(attributes['begin'])];
      const padding = shape.map((size, axis): [number, number] => {
        const before = begin[axis] ?? 0;
        return [before, size - before - at(dy.shape, axis)];
      });
      return { x: () => tf.pad(dy, padding) };
    },
  },
  { kernelName: 'Identity', gradFunc: (dys) => ({ x: () => firstOf(dys) }) },
];

/** The gradient of an input that was broadcast: what reached its copies, added up. */
function summedTo(dy: tf.Tensor, shape: number[]): tf.Tensor {
  if (String(dy.shape) === String(shape)) return tf.clone(dy);
  const offset = dy.rank - shape.length;
  const axes = dy.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < offset || (shape[axis - offset] === 1 && at(dy.shape, axis) > 1));
  return tf.reshape(tf.sum(dy, axes), shape);
}
