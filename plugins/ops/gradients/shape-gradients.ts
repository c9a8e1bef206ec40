import { tf } from '../../../core/index.js';
import { at, Attributes, firstOf } from '../operations/kernel.js';
import { waysOf } from './elementwise-gradients.js';
import { axisIn } from './reduction-gradients.js';

/** Gradients of operations that only move elements. */
export const shapeGradients: readonly tf.GradConfig[] = [
  {
    kernelName: 'Transpose',
    gradFunc: (dys, _saved, attributes) => {
      const order = new Attributes(attributes).numbers('perm');
      return {
        x: () =>
          tf.transpose(
            firstOf(dys),
            order.map((_, axis) => order.indexOf(axis)),
          ),
      };
    },
  },
  {
    kernelName: 'ExpandDims',
    inputsToSave: ['input'],
    gradFunc: (dys, saved) => ({ input: () => tf.reshape(firstOf(dys), at(saved, 0).shape) }),
  },
  {
    kernelName: 'Reverse',
    gradFunc: (dys, _saved, attributes) => ({
      x: () => tf.reverse(firstOf(dys), new Attributes(attributes).numbers('dims')),
    }),
  },
  {
    kernelName: 'PadV2',
    inputsToSave: ['x'],
    gradFunc: (dys, saved, attributes) => {
      const paddings: unknown = attributes['paddings'];
      const before = Array.isArray(paddings)
        ? paddings.map((pair: unknown) => Number(Array.isArray(pair) ? pair[0] : 0))
        : [];
      return { x: () => tf.slice(firstOf(dys), before, at(saved, 0).shape) };
    },
  },
  {
    kernelName: 'Tile',
    inputsToSave: ['x'],
    gradFunc: (dys, saved, attributes) => {
      const x = at(saved, 0);
      const repeats = new Attributes(attributes).numbers('reps');
      // Give the copies along an axis an axis of their own, to sum over it.
      const shape = x.shape.flatMap((size, axis) => (repeats[axis] === 1 ? [size] : [repeats[axis] ?? 1, size]));
      const copies = x.shape.flatMap((_, axis) => (repeats[axis] === 1 ? [false] : [true, false]));
      const axes = copies.flatMap((isCopies, axis) => (isCopies ? [axis] : []));
      return { x: () => (axes.length === 0 ? tf.clone(firstOf(dys)) : tf.sum(tf.reshape(firstOf(dys), shape), axes)) };
    },
  },
  {
    kernelName: 'Concat',
    saveAllInputs: true,
    gradFunc: (dys, saved, attributes) => {
      const axis = axisIn(new Attributes(attributes).number('axis'), at(saved, 0));
      const parts = tf.split(
        firstOf(dys),
        saved.map(({ shape }) => at(shape, axis)),
        axis,
      );
      return waysOf(parts.map((part) => () => part));
    },
  },
  {
    kernelName: 'Pack',
    saveAllInputs: true,
    gradFunc: (dys, _saved, attributes) =>
      waysOf(tf.unstack(firstOf(dys), new Attributes(attributes).number('axis')).map((part) => () => part)),
  },
  {
    kernelName: 'Unpack',
    gradFunc: (dys, _saved, attributes) => ({
      value: () => tf.stack(asList(dys), new Attributes(attributes).number('axis')),
    }),
  },
  {
    kernelName: 'SplitV',
    gradFunc: (dys, _saved, attributes) => ({
      x: () => tf.concat(asList(dys), new Attributes(attributes).number('axis')),
    }),
  },
];

function asList(dys: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
  return Array.isArray(dys) ? dys : [dys];
}
