import { tf } from '../../../core/index.js';
import { at, Attributes, firstOf, type KernelInputs, type Op } from './kernel.js';

/** `tf.einsum`, for which several backends have no kernel, and none has a gradient. */
export const einsumOp: Op = {
  kernels: [
    {
      name: 'Einsum',
      compute: (inputs, attributes) => einsum(attributes.text('equation') ?? '', operandsOf(inputs)),
    },
  ],
  gradients: [
    {
      kernelName: 'Einsum',
      saveAllInputs: true,
      gradFunc: (dys, saved, attributes) => {
        const equation = new Attributes(attributes).text('equation') ?? '';
        const ways = saved.map((_, index) => () => gradientOf(equation, saved, index, firstOf(dys)));
        return Object.fromEntries(ways.entries());
      },
    },
  ],
};

/** An operand with a letter for each axis. */
interface Lettered {
  readonly letters: string;
  readonly tensor: tf.Tensor;
}

/** Returns the operands in the order of the equation. */
function operandsOf(inputs: KernelInputs): tf.Tensor[] {
  return inputs.all();
}

/** @throws Error if sizes do not fit, with TensorFlow.js's message */
function einsum(equation: string, tensors: readonly tf.Tensor[]): tf.Tensor {
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, [...tensors]);
  const { operands, result } = partsOf(equation);
  const [a, b] = tensors.map((tensor, index): Lettered => ({ letters: at(operands, index), tensor }));
  if (a === undefined) throw new Error('tf.einsum needs a tensor');
  if (b === undefined) return inOrder(withOnly(a, result), result);
  return inOrder(product(withOnly(a, b.letters + result), withOnly(b, a.letters + result), result), result);
}

/** Multiplies two operands and sums over the letters that only they have, as a matrix product. */
function product(a: Lettered, b: Lettered, result: string): Lettered {
  const inBoth = Array.from(a.letters).filter((letter) => b.letters.includes(letter));
  const batch = inBoth.filter((letter) => result.includes(letter)).join('');
  const summed = inBoth.filter((letter) => !result.includes(letter)).join('');
  const [ofA, ofB] = [without(a.letters, batch + summed), without(b.letters, batch + summed)];
  const sizes = new Map([...sizesOf(a), ...sizesOf(b)]);
  const shapeOf = (letters: string): number[] => Array.from(letters).map((letter) => sizes.get(letter) ?? 1);
  const matrices = (from: Lettered, rows: string, columns: string): tf.Tensor =>
    tf.reshape(
      inOrder(from, batch + rows + columns),
      [batch, rows, columns].map((letters) => tf.util.sizeFromShape(shapeOf(letters))),
    );
  const y = tf.matMul(matrices(a, ofA, summed), matrices(b, summed, ofB));
  const letters = batch + ofA + ofB;
  return { letters, tensor: tf.reshape(y, shapeOf(letters)) };
}

/**
 * Returns an operand's gradient: the product of the result's gradient and the other operand, repeated along summed
 * axes.
 */
function gradientOf(equation: string, tensors: readonly tf.Tensor[], index: number, dy: tf.Tensor): tf.Tensor {
  const { operands, result } = partsOf(equation);
  const own = at(operands, index);
  const { shape } = at(tensors, index);
  const others = operands.map((letters, place) => ({ letters, tensor: at(tensors, place) }));
  const [other] = others.filter((_, place) => place !== index);
  const reached = Array.from(own)
    .filter((letter) => (result + (other?.letters ?? '')).includes(letter))
    .join('');
  const gradient =
    other === undefined
      ? einsum(`${result}->${reached}`, [dy])
      : einsum(`${result},${other.letters}->${reached}`, [dy, other.tensor]);
  if (reached === own) return gradient;
  const kept = shape.map((size, axis) => (reached.includes(at(Array.from(own), axis)) ? size : 1));
  return tf.mul(tf.reshape(gradient, kept), tf.ones(shape));
}

function partsOf(equation: string): { operands: string[]; result: string } {
  const [left = '', result = ''] = equation.replaceAll(' ', '').split('->');
  return { operands: left.split(','), result };
}

/** Sums over the letters that are not in `letters`. */
function withOnly({ letters: own, tensor }: Lettered, letters: string): Lettered {
  const gone = Array.from(own).flatMap((letter, axis) => (letters.includes(letter) ? [] : [axis]));
  return { letters: without(own, without(own, letters)), tensor: gone.length === 0 ? tensor : tf.sum(tensor, gone) };
}

function inOrder({ letters, tensor }: Lettered, wanted: string): tf.Tensor {
  if (letters === wanted) return tf.clone(tensor);
  return tf.transpose(
    tensor,
    Array.from(wanted).map((letter) => letters.indexOf(letter)),
  );
}

function sizesOf({ letters, tensor }: Lettered): [letter: string, size: number][] {
  return Array.from(letters).map((letter, axis) => [letter, at(tensor.shape, axis)]);
}

function without(letters: string, gone: string): string {
  return Array.from(letters)
    .filter((letter) => !gone.includes(letter))
    .join('');
}
