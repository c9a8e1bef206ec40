import { tf } from '../../../core/index.js';
import { at, Attributes, firstOf } from '../operations/kernel.js';

/** Gradients of operations that compute each element from elements at its place, slopes as TensorFlow.js has them. */
export const elementwiseGradients: readonly tf.GradConfig[] = [
  // Of one input x, from it.
  of('Neg', (dy) => tf.neg(dy)),
  of('Abs', (dy, x) => tf.mul(dy, tf.sign(x))),
  of('Expm1', (dy, x) => tf.mul(dy, tf.exp(x))),
  of('Log', (dy, x) => tf.div(dy, x)),
  of('Log1p', (dy, x) => tf.div(dy, tf.add(x, 1))),
  of('Sqrt', (dy, x) => tf.div(dy, tf.mul(tf.sqrt(x), 2))),
  of('Rsqrt', (dy, x) => tf.neg(tf.div(dy, tf.mul(tf.mul(x, tf.sqrt(x)), 2)))),
  of('Square', (dy, x) => tf.mul(dy, tf.mul(x, 2))),
  of('Reciprocal', (dy, x) => tf.neg(tf.div(dy, tf.square(x)))),
  of('Sin', (dy, x) => tf.mul(dy, tf.cos(x))),
  of('Cos', (dy, x) => tf.neg(tf.mul(dy, tf.sin(x)))),
  of('Relu', (dy, x) => tf.mul(dy, tf.step(x))),
  of('LeakyRelu', (dy, x, attributes) => tf.mul(dy, tf.step(x, attributes.number('alpha')))),
  of('Elu', (dy, x) => tf.mul(dy, tf.where(tf.greater(x, 0), tf.onesLike(x), tf.exp(x)))),
  of('Softplus', (dy, x) => tf.mul(dy, tf.sigmoid(x))),
  of('Erf', (dy, x) => tf.mul(dy, tf.mul(tf.exp(tf.neg(tf.square(x))), 2 / Math.sqrt(Math.PI)))),
  of('ClipByValue', (dy, x, attributes) => {
    const isWithin = tf.logicalAnd(
      tf.greaterEqual(x, attributes.number('clipValueMin')),
      tf.lessEqual(x, attributes.number('clipValueMax')),
    );
    return tf.mul(dy, asNumbers(isWithin));
  }),
  of('Cast', (dy) => tf.clone(dy)),
  // From the output y.
  ofOutput('Exp', (dy, y) => tf.mul(dy, y)),
  ofOutput('Tanh', (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
  ofOutput('Sigmoid', (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
  // Of two, each broadcast to the other's shape.
  ofTwo(
    'Sub',
    (dy) => dy,
    (dy) => tf.neg(dy),
  ),
  ofTwo(
    'RealDiv',
    (dy, [, b]) => tf.div(dy, b),
    (dy, [a, b]) => tf.neg(tf.div(tf.mul(dy, a), tf.square(b))),
  ),
  ofTwo(
    'Maximum',
    (dy, [a, b]) => tf.mul(dy, asNumbers(tf.greaterEqual(a, b))),
    (dy, [a, b]) => tf.mul(dy, asNumbers(tf.less(a, b))),
  ),
  ofTwo(
    'Minimum',
    (dy, [a, b]) => tf.mul(dy, asNumbers(tf.lessEqual(a, b))),
    (dy, [a, b]) => tf.mul(dy, asNumbers(tf.greater(a, b))),
  ),
  ofTwo(
    'SquaredDifference',
    (dy, [a, b]) => tf.mul(dy, tf.mul(tf.sub(a, b), 2)),
    (dy, [a, b]) => tf.mul(dy, tf.mul(tf.sub(b, a), 2)),
  ),
  ofTwo(
    'Pow',
    (dy, [a, b]) => tf.mul(dy, tf.mul(b, tf.pow(a, tf.sub(b, 1)))),
    // The logarithm of what is not positive is nothing: such bases have no slope that way.
    (dy, [a, b]) => tf.mul(dy, tf.where(tf.greater(a, 0), tf.mul(tf.pow(a, b), tf.log(a)), tf.zerosLike(tf.add(a, b)))),
  ),
  {
    kernelName: 'AddN',
    saveAllInputs: true,
    gradFunc: (dys, saved) => waysOf(saved.map(() => () => tf.clone(firstOf(dys)))),
  },
  // What jumps, or is true or false, has no slope; it may stand on the way to what has one.
  ...['Sign', 'Step', 'Floor', 'Ceil', 'Round'].map((name) => of(name, (dy) => tf.zerosLike(dy))),
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'].map((name) =>
    ofTwo(
      name,
      (dy) => tf.zeros(dy.shape),
      (dy) => tf.zeros(dy.shape),
    ),
  ),
];

/** The gradient of an input that was broadcast: what reached its copies, added up. */
export function summedTo(dy: tf.Tensor, shape: number[]): tf.Tensor {
  if (String(dy.shape) === String(shape)) return tf.clone(dy);
  const offset = dy.rank - shape.length;
  const axes = dy.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < offset || (shape[axis - offset] === 1 && at(dy.shape, axis) > 1));
  return tf.reshape(tf.sum(dy, axes), shape);
}

/** Of inputs that are a list. */
export function waysOf(ways: readonly (() => tf.Tensor)[]): Record<string, () => tf.Tensor> {
  return Object.fromEntries(ways.entries());
}

/** 1 where true. */
export function asNumbers(isSo: tf.Tensor): tf.Tensor {
  return tf.cast(isSo, 'float32');
}

function of(
  kernelName: string,
  way: (dy: tf.Tensor, x: tf.Tensor, attributes: Attributes) => tf.Tensor,
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['x'],
    gradFunc: (dys, saved, attributes) => ({ x: () => way(firstOf(dys), at(saved, 0), new Attributes(attributes)) }),
  };
}

function ofOutput(kernelName: string, way: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor): tf.GradConfig {
  return {
    kernelName,
    outputsToSave: [true],
    gradFunc: (dys, saved) => ({ x: () => way(firstOf(dys), at(saved, 0)) }),
  };
}

type Pair = readonly [a: tf.Tensor, b: tf.Tensor];

function ofTwo(
  kernelName: string,
  first: (dy: tf.Tensor, inputs: Pair) => tf.Tensor,
  second: (dy: tf.Tensor, inputs: Pair) => tf.Tensor,
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['a', 'b'],
    gradFunc: (dys, saved) => {
      const [dy, a, b] = [firstOf(dys), at(saved, 0), at(saved, 1)];
      return { a: () => summedTo(first(dy, [a, b]), a.shape), b: () => summedTo(second(dy, [a, b]), b.shape) };
    },
  };
}
