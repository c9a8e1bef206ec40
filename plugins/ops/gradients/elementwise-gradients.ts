import { tf } from '../../../core/index.js';
import { at, Attributes, firstOf } from '../operations/kernel.js';

/** Gradients of elementwise operations, with the derivatives that TensorFlow.js uses. */
export const elementwiseGradients: readonly tf.GradConfig[] = [
  // Of one input x, computed from x.
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
  // Computed from the output y.
  ofOutput('Exp', (dy, y) => tf.mul(dy, y)),
  ofOutput('Tanh', (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
  ofOutput('Sigmoid', (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
  // Of two inputs, which are broadcast to a common shape.
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
    // The logarithm is undefined for bases ≤ 0, so their exponents get no gradient.
    (dy, [a, b]) => tf.mul(dy, tf.where(tf.greater(a, 0), tf.mul(tf.pow(a, b), tf.log(a)), tf.zerosLike(tf.add(a, b)))),
  ),
  {
    kernelName: 'AddN',
    saveAllInputs: true,
    gradFunc: (dys, saved) => waysOf(saved.map(() => () => tf.clone(firstOf(dys)))),
  },
  // Steps and comparisons have derivative 0; they may appear in an expression together with differentiable operations.
  ...['Sign', 'Step', 'Floor', 'Ceil', 'Round'].map((name) => of(name, (dy) => tf.zerosLike(dy))),
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'].map((name) =>
    ofTwo(
      name,
      (dy) => tf.zeros(dy.shape),
      (dy) => tf.zeros(dy.shape),
    ),
  ),
];

/** Returns the gradient of an input that was broadcast: the sum over its copies. */
export function summedTo(dy: tf.Tensor, shape: number[]): tf.Tensor {
  if (String(dy.shape) === String(shape)) return tf.clone(dy);
  const offset = dy.rank - shape.length;
  const axes = dy.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < offset || (shape[axis - offset] === 1 && at(dy.shape, axis) > 1));
  return tf.reshape(tf.sum(dy, axes), shape);
}

/** Names the gradients of a list of inputs by index. */
export function waysOf(ways: readonly (() => tf.Tensor)[]): Record<string, () => tf.Tensor> {
  return Object.fromEntries(ways.entries());
}

/** Returns 1 where true, else 0. */
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
