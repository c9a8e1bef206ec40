import { tf } from '../../../core/index.js';
import { at, firstOf } from '../operations/kernel.js';
import { elementwiseGradients, summedTo } from './elementwise-gradients.js';
import { productGradients } from './product-gradients.js';
import { reductionGradients } from './reduction-gradients.js';
import { shapeGradients } from './shape-gradients.js';

/**
 * Gradients of TensorFlow.js operations: tfjs-core's npm build for Node registers none, and its modules that do import
 * each other without file extensions, which Node cannot load. First come those that our models need; the others are for
 * plugins' models and losses.
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
  ...elementwiseGradients,
  ...reductionGradients,
  ...productGradients,
  ...shapeGradients,
];
